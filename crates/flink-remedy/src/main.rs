//! The binary `flink-remedy`; everything is in the library.

use std::io::{self, BufWriter};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = flink_remedy::Cli::parse();
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()));
    flink_remedy::execute(cli, &mut io::stdin().lock(), &mut out, &mut anstream::AutoStream::auto(io::stderr()))
}
