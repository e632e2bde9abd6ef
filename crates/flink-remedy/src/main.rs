//! The binary `flink-remedy`; everything is in the library.

use std::io::{self, BufWriter};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let cli = flink_remedy::parse(&args).unwrap_or_else(|error| error.exit());
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()));
    flink_remedy::execute(cli, &mut io::stdin().lock(), &mut out, &mut anstream::AutoStream::auto(io::stderr()))
}
