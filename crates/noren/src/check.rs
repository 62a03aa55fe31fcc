//! Whether the house could run on the settings, found out without opening anything outside.

use anyhow::{Result, bail};
use settings::Settings;

use crate::{admin, models, output::say, seals};

/// Prints the effective settings, what of them `run` would refuse, and what production still lacks; fails where anything is refused.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    let refused: Vec<String> = [
        admin::configured_plans(settings).map(drop),
        models::check(&settings.gateway),
        seals::configured(settings).map(drop),
    ]
    .into_iter()
    .filter_map(|built| built.err().map(|error| format!("{error:#}")))
    .collect();
    let missing = settings.missing_for_production();
    let mut text = settings.describe();
    text += &listed("refused:", refused.iter().map(String::as_str));
    text += &if missing.is_empty() && refused.is_empty() {
        "\nready for production\n".to_owned()
    } else {
        listed("missing for production:", missing)
    };
    say(&text)?;
    if let Some(first) = refused.first() {
        bail!("the house can't run on these settings: {first}");
    }
    Ok(())
}

/// A title and a line each; nothing where there are none.
fn listed<'a>(title: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines = lines
        .into_iter()
        .fold(String::new(), |all, line| all + "- " + line + "\n");
    if lines.is_empty() {
        lines
    } else {
        format!("\n{title}\n{lines}")
    }
}
