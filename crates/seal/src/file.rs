use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::Path,
};

use secrecy::{ExposeSecret, SecretString};

use crate::{Error, new_key};

/// The text of a key file.
pub(crate) fn read(path: &Path) -> Result<SecretString, Error> {
    fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|error| Error::File(path.to_owned(), error))
}

/// Makes a file with one new key, which its owner alone may read; says whether there was none.
///
/// # Errors
/// When it can't be written.
pub fn create(path: &Path) -> Result<bool, Error> {
    let text = format!("{}\n", new_key()?.expose_secret());
    match write(path, &text) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::File(path.to_owned(), error)),
    }
}

/// Puts a new key before those of the file: it seals from now on, and they still open.
///
/// # Errors
/// When the file can't be read or replaced.
pub fn add(path: &Path) -> Result<(), Error> {
    let before = read(path)?;
    let text = format!("{}\n{}", new_key()?.expose_secret(), before.expose_secret());
    let beside = path.with_extension("new");
    let replaced = write(&beside, &text).and_then(|()| fs::rename(&beside, path));
    replaced.map_err(|error| Error::File(path.to_owned(), error))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
