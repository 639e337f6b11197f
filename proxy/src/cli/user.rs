//! `tollgate user add`: a password becomes a verifier in the file of users.

use std::fs;
use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};
use tollgate_identity::{Attributes, DEFAULT_ITERATIONS, UserStore, Verifier};

use crate::files;

/// What `tollgate user add` is told.
#[derive(Args)]
pub(super) struct Add {
    /// The user's name
    name: String,
    /// The file of users; made if there is none
    #[arg(long)]
    file: PathBuf,
    /// An attribute for policies; given twice with one key it is a list
    #[arg(long = "attribute", value_name = "KEY=VALUE")]
    attributes: Vec<String>,
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

/// Adds the user.
pub(super) fn add(add: &Add) -> Result<(), String> {
    if !UserStore::is_valid_name(&add.name) {
        return Err(format!(
            "error: \"{}\" can't be a user's name\n  hint: use 1 to 128 bytes without control characters",
            add.name.escape_debug()
        ));
    }
    let attributes = attributes(&add.attributes)?;
    let text = read(&add.file)?;
    let users = UserStore::parse(&text).map_err(|errors| all(&add.file, &errors))?;
    let known = users.names().any(|name| name == add.name);
    let verifier = verifier(&password(add.password_stdin)?)?;
    // a new user is appended, so that the file's comments stay
    let text = if known || text.is_empty() {
        users.with_user(&add.name, verifier, attributes).to_toml()
    } else {
        users
            .append(&text, &add.name, verifier, attributes)
            .map_err(|errors| all(&add.file, &errors))?
    };
    UserStore::parse(&text).map_err(|errors| all(&add.file, &errors))?;
    files::replace_private(&add.file, text.as_bytes())
        .map_err(|error| format!("error: could not write \"{}\": {error}", add.file.display()))?;
    println!("{} user \"{}\"", if known { "replaced" } else { "added" }, add.name);
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("error: could not read \"{}\": {error}", file.display())),
    }
}

fn all(file: &Path, errors: &[tollgate_identity::UserFileError]) -> String {
    let errors = errors.iter().map(|error| {
        format!(
            "{}:{}: error: {}\n  hint: {}",
            file.display(),
            error.line,
            error.message,
            error.hint
        )
    });
    errors.collect::<Vec<_>>().join("\n")
}

/// Attributes as they are given on the command line.
pub(super) fn attributes(pairs: &[String]) -> Result<Attributes, String> {
    let mut attributes = Attributes::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(format!(
                "error: \"{pair}\" is not an attribute\n  hint: write --attribute key=value"
            ));
        };
        attributes.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    Ok(attributes)
}

fn password(from_stdin: bool) -> Result<String, String> {
    let unreadable = |error| format!("error: could not read the password: {error}");
    let password = if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        let password = rpassword::prompt_password("password: ").map_err(unreadable)?;
        let again = rpassword::prompt_password("once more: ").map_err(unreadable)?;
        if password != again {
            return Err("error: the two passwords differ".to_owned());
        }
        password
    };
    if password.is_empty() {
        return Err("error: the password is empty".to_owned());
    }
    Ok(password)
}

fn verifier(password: &str) -> Result<Verifier, String> {
    let mut salt = [0; 16];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| "error: the system gave no random bytes".to_owned())?;
    Verifier::from_password(password, DEFAULT_ITERATIONS, &salt)
        .map_err(|error| format!("error: {error}"))
}
