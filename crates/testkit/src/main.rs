//! Prints the owner's URL of a fresh test database, for tools that need one (see `scripts/sqlx-cache`).

use std::io::Write;

use secrecy::ExposeSecret;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let database = testkit::TestDatabase::create().await;
    writeln!(
        std::io::stdout(),
        "{}",
        database.owner_url().expose_secret()
    )
}
