//! The secrets of authenticators in the database, and the keys that open them.

use chrono::Duration;
use seal::{Resealed, Vault};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Door;

const STEP: Duration = Duration::seconds(30);
const WHO: &str = "a@example.test";

fn vault(keys: &[&SecretString]) -> Vault {
    let text: Vec<&str> = keys.iter().map(|key| key.expose_secret()).collect();
    Vault::of_keys(&text.join(",").into()).unwrap()
}

async fn kept(door: &Door) -> Vec<u8> {
    door.look("select secret from identity.totp").await
}

fn raw(secret: &str) -> Vec<u8> {
    totp_rs::Secret::try_from_base32(secret)
        .unwrap()
        .as_ref()
        .to_vec()
}

impl Door {
    /// Both halves of a sign-in with a code that the authenticator shows next.
    async fn comes_in(&self, secret: &str) -> (u16, String) {
        self.later(STEP);
        let (browser, code) = (self.browser(), self.code(secret));
        let waiting = browser.log_in(WHO).await;
        assert_eq!(waiting.status, 202, "{waiting:?}");
        let answer = browser.second(&waiting.body["ticket"], &code).await;
        let inside = browser.get("/auth/me").await.status == 200;
        assert_eq!(inside, answer.status == 200);
        let (status, code) = answer.told();
        (status, code.to_owned())
    }
}

#[tokio::test]
async fn no_dump_of_the_database_has_the_secret_of_an_authenticator() {
    let door = Door::open().await;
    let (secret, _) = door.someone(WHO).await.add_totp().await;
    let (raw, row) = (raw(&secret), kept(&door).await);
    assert!(!row.windows(raw.len()).any(|part| part == raw));
    let text: String = door
        .look("select string_agg(t::text, ' ') from identity.totp t")
        .await;
    for form in [secret.clone(), secret.to_lowercase(), hex::encode(&raw)] {
        assert!(!text.contains(&form), "{form}");
    }
    assert_eq!(door.comes_in(&secret).await.0, 200);
}

#[tokio::test]
async fn a_newer_key_takes_over_and_the_old_one_can_go() {
    let (old, new) = (seal::new_key().unwrap(), seal::new_key().unwrap());
    let door = Door::open().await.restarted(vault(&[&old])).await;
    let (secret, _) = door.someone(WHO).await.add_totp().await;
    let before = kept(&door).await;

    let both = vault(&[&new, &old]);
    let door = door.restarted(both.clone()).await;
    assert_eq!(door.comes_in(&secret).await.0, 200, "the old key opens");
    let resealed = door.room.reseal().await.unwrap();
    assert_eq!(resealed, Resealed { done: 1, closed: 0 });
    let after = kept(&door).await;
    assert_ne!(seal::key_of(&after), seal::key_of(&before));
    assert_eq!(seal::key_of(&after), both.ids().first().copied());
    let again = door.room.reseal().await.unwrap();
    assert_eq!(again, Resealed::default());

    let door = door.restarted(vault(&[&new])).await;
    assert_eq!(door.comes_in(&secret).await.0, 200, "without the old key");
}

#[tokio::test]
async fn a_secret_from_before_there_was_sealing_works_and_is_sealed() {
    let door = Door::open().await;
    let (secret, _) = door.someone(WHO).await.add_totp().await;
    let mut owner = door.test.database.owner().await;
    sqlx::query("update identity.totp set secret = $1")
        .bind(raw(&secret))
        .execute(&mut owner)
        .await
        .unwrap();
    assert_eq!(door.comes_in(&secret).await.0, 200);
    assert_eq!(door.room.reseal().await.unwrap().done, 1);
    assert!(seal::key_of(&kept(&door).await).is_some());
    assert_eq!(door.comes_in(&secret).await.0, 200);
}

#[tokio::test]
async fn with_a_lost_key_nobody_gets_around_the_second_factor() {
    let door = Door::open().await;
    let (secret, codes) = door.someone(WHO).await.add_totp().await;
    let closed = (503, "secret_closed".to_owned());

    let door = door.restarted(vault(&[&seal::new_key().unwrap()])).await;
    assert_eq!(door.comes_in(&secret).await, closed);
    let resealed = door.room.reseal().await.unwrap();
    assert_eq!(resealed, Resealed { done: 0, closed: 1 });

    let door = door.restarted(Vault::without_keys()).await;
    assert_eq!(door.comes_in(&secret).await, closed);
    assert!(door.room.reseal().await.is_err());
    let newcomer = door.someone("b@example.test").await;
    let refused = newcomer.post("/auth/factors/totp", Value::Null).await;
    assert_eq!(refused.told(), (503, "secret_closed"));
    let rows: i64 = door.look("select count(*) from identity.totp").await;
    assert_eq!(rows, 1, "what can't be sealed is not kept");

    let browser = door.browser();
    let ticket = browser.log_in(WHO).await.body["ticket"].clone();
    assert_eq!(browser.second(&ticket, &codes[0]).await.status, 200);
    assert_eq!(door.written("factor.recover").await, 1);
}
