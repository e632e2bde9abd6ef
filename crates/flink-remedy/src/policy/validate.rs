//! `flink-remedy policy validate`: whether files hold policies.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use controller::Explained;

use crate::policy_file::load;
use crate::troubles::complain;
use crate::{BAD_INPUT, harmless, printable};

/// Say whether files hold policies, and what about them is worth a second look
///
/// A mistake is told with its line and column. This checks more than the API server can: values that no Flink reads,
/// expressions in CEL, directories outside of the allowed places.
///
/// Exit codes: 0 they do, 2 a file that cannot be read or holds something else.
#[derive(Args, Clone, Debug)]
pub(super) struct ValidateArgs {
    /// Files with documents of kind `RemediationPolicy`
    #[arg(required = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
}

pub(super) fn validate(args: &ValidateArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for file in &args.files {
        match load(file) {
            Ok(policies) => {
                for named in policies {
                    let path = file.display().to_string();
                    writeln!(out, "{}: policy {} is valid", printable(&path), printable(&named.name))?;
                    for warning in named.policy.warnings() {
                        writeln!(
                            err,
                            "warning: {}: policy {}: {}",
                            harmless(&path),
                            harmless(&named.name),
                            harmless(&warning)
                        )?;
                    }
                }
            }
            Err(error) => {
                complain(error.explanation(), &error, err)?;
                code = ExitCode::from(BAD_INPUT);
            }
        }
    }
    Ok(code)
}
