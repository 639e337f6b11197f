//! The `tollgate` binary; all of it is in the library, so that tests can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tollgate_proxy::cli::main()
}
