mod store;

use chrono::Duration;
use db::{Ctx, Scope};
use sha2::{Digest, Sha256};

use crate::Error;

/// How many tries of a kind one source has in a window, which starts with the first of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) tries: i32,
    pub(crate) window: Duration,
}

const QUARTER: Duration = Duration::minutes(15);

/// Guesses at one account's password: from all browsers that it does not know together, and from each that it knows.
pub(crate) const PASSWORD: Limit = Limit {
    name: "password",
    tries: 10,
    window: QUARTER,
};
/// Wrong sign-ins of one network, at whichever accounts.
pub(crate) const NETWORK: Limit = Limit {
    name: "network",
    tries: 100,
    window: QUARTER,
};
/// Guesses at a second factor or a step-up.
pub(crate) const CODE: Limit = Limit {
    name: "code",
    tries: 6,
    window: QUARTER,
};
/// Guesses at a child's PIN: a million PINs, 120 tries a day.
pub(crate) const PIN: Limit = Limit {
    name: "pin",
    tries: 5,
    window: Duration::hours(1),
};
/// Accounts made from one network.
pub(crate) const REGISTER: Limit = Limit {
    name: "register",
    tries: 100,
    window: QUARTER,
};
/// Guests of one browser: whoever leaves and comes again does not begin anew for ever.
pub(crate) const GUESTS_OF_BROWSER: Limit = Limit {
    name: "guests_of_browser",
    tries: 3,
    window: Duration::days(1),
};
/// Guests of one network, where browsers forget their cookies. A school or a café shares one.
pub(crate) const GUESTS_OF_NETWORK: Limit = Limit {
    name: "guests_of_network",
    tries: 100,
    window: Duration::days(1),
};
/// Letters asked for with one address, such as resets.
pub(crate) const LETTER: Limit = Limit {
    name: "letter",
    tries: 5,
    window: QUARTER,
};
/// Letters asked for by one network.
pub(crate) const LETTERS_OF_NETWORK: Limit = Limit {
    name: "letters_of_network",
    tries: 60,
    window: QUARTER,
};

/// Counts a try before it is made, so that of a hundred at once not one too many is looked at. In a transaction of
/// its own.
///
/// # Errors
/// `TooManyAttempts` with the seconds until the window ends.
pub(crate) async fn count(cx: &Ctx, limit: Limit, source: &str) -> Result<(), Error> {
    let bucket = bucket(limit, source);
    let now = cx.clock.now();
    let mut tx = cx.db.begin(Scope::House("throttle")).await?;
    let counted = store::count(&mut tx, &bucket, limit.tries, now, now + limit.window).await?;
    let ends_at = if counted {
        None
    } else {
        store::ends_at(&mut tx, &bucket).await?
    };
    tx.commit().await?;
    if counted {
        return Ok(());
    }
    metrics::counter!("throttled_total", "limit" => limit.name).increment(1);
    let seconds = ends_at.map_or(1, |ends_at| (ends_at - now).num_seconds().max(1));
    Err(Error::TooManyAttempts(u64::try_from(seconds).unwrap_or(1)))
}

/// Takes back a try that turned out to be the owner's.
pub(crate) async fn give_back(cx: &Ctx, limit: Limit, source: &str) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("throttle")).await?;
    store::give_back(&mut tx, &bucket(limit, source)).await?;
    tx.commit().await?;
    Ok(())
}

/// Forgets windows that are over.
pub(crate) async fn clear(cx: &Ctx, most: i64) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("old throttles")).await?;
    store::delete_over(&mut tx, cx.clock.now(), most).await?;
    tx.commit().await?;
    Ok(())
}

/// Hashed, so that the table tells nobody which addresses were tried.
fn bucket(limit: Limit, source: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(limit.name.as_bytes());
    hash.update([0]);
    hash.update(source.as_bytes());
    hash.finalize().to_vec()
}
