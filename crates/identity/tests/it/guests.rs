//! How many guests there may be.

use super::*;

const BROWSER: [(&str, &str); 1] = [("cookie", "__Host-noren_guest=one-browser")];

#[tokio::test]
async fn guests_are_counted_by_browser_and_by_network_until_the_next_day() {
    let door = Door::open().await;
    let enter = |cookies: &'static [(&str, &str)]| {
        door.send_with("POST", "/auth/guest", cookies, Value::Null)
    };
    for _ in 0..3 {
        assert_eq!(enter(&BROWSER).await.status, 201);
    }
    let enough = enter(&BROWSER).await;
    assert_eq!(
        (enough.status, &enough.body["code"]),
        (429, &json!("too_many_guests"))
    );
    assert_eq!(enough.body["retry_after"], 86_400);
    for n in 3..100 {
        assert_eq!(enter(&[]).await.status, 201, "guest {n} of the network");
    }
    assert_eq!(enter(&[]).await.status, 429, "cookies were thrown away");
    let body = json!({ "email": "a@example.test", "password": "correct horse" });
    let registered = door.post("/auth/register", None, body).await;
    assert_eq!(registered.status, 201, "signing up goes on");

    door.test.time.advance(Duration::days(1));
    assert_eq!(enter(&BROWSER).await.status, 201);
    assert_eq!(enter(&[]).await.status, 201);
}
