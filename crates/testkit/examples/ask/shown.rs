// cargo add reqwest --features json
// cargo add tokio --features macros,rt-multi-thread
// cargo add serde_json
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = std::env::var("NOREN_API_KEY")?;
    let answer: Value = reqwest::Client::new()
        .post("http://inference.test/inference")
        .bearer_auth(key)
        .header("Prefer", "wait=60")
        .json(&json!({
            "messages": [
                {
                    "role": "system",
                    "content": "Be brief."
                },
                {
                    "role": "user",
                    "content": "It's \"quoted\", $HOME `id` \\n, 暖簾 🏮\nnull true\t\u{8}"
                }
            ],
            "max_tokens": 64,
            "temperature": 0.2
        }))
        .send()
        .await?
        .json()
        .await?;
    println!("{}", answer["text"].as_str().map_or_else(|| answer.to_string(), str::to_owned));
    Ok(())
}
