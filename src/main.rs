//! The binary: runs the library with the process's arguments, and turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ContextKind;
use ier::cli::{self, args::Args, hints, print};
use ier::error::Error;

/// Queries allocate and free large buffers all the time; this allocator gives them back.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let json = args.json();
    match cli::start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit(json, &error),
    }
}

/// Help and version go out as they are; wrong words are an invalid request.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|word| word == "--json");
    if let Some(instead) = hints::instead(error) {
        let verb = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string).unwrap_or_default();
        return exit(json, &Error::invalid(format!("there is no verb {verb}; {instead}")));
    }
    if error.use_stderr() && json {
        return exit(json, &Error::invalid(error.to_string().trim().trim_start_matches("error: ").to_owned()));
    }
    match print::usage(error) {
        Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX)),
        Err(_closed) => ExitCode::FAILURE,
    }
}

fn exit(json: bool, error: &Error) -> ExitCode {
    match print::failure(json, error) {
        Ok(()) => ExitCode::from(error.kind().exit_code()),
        // Nothing can be printed any more; the exit code is still returned.
        Err(_closed) => ExitCode::from(error.kind().exit_code()),
    }
}
