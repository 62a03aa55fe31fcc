use std::io::{Write, stdout};

use anyhow::{Context, Result};

/// Writes to standard output, which is for results; logs go to standard error.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush().context("standard output is closed")
}
