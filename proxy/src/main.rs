//! The `tollgate` binary; all of it but the allocator is in the library, so that tests can call it.

use std::process::ExitCode;

/// Plans are many small pieces, made and dropped by one thread: a tenth to a fifth of the time of
/// rewriting is the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tollgate_proxy::cli::main()
}
