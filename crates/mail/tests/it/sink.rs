//! A mail server that does as it is told and counts what it took.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// What the server does with the next letter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Answers RCPT with this line.
    RefusesAddress(&'static str),
    /// Answers the whole letter with this line.
    RefusesLetter(&'static str),
    /// Waits to be let go before it answers the whole letter with this line.
    Holds(&'static str),
    /// Hangs up when the letter is there, without an answer.
    HangsUp,
    /// Answers the greeting with this line.
    RefusesUs(&'static str),
}

#[derive(Debug, Default)]
struct Seen {
    plan: VecDeque<Does>,
    taken: Vec<String>,
    visits: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
    arrived: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
            held: Arc::new(Semaphore::new(0)),
        };
        let server = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.talk(stream).await.ok() });
            }
        });
        sink
    }

    /// What happens to the letters to come, in their order; the others are taken.
    pub(crate) fn plan(&self, plan: impl IntoIterator<Item = Does>) {
        self.seen.lock().unwrap().plan.extend(plan);
    }

    /// Every letter that was taken, as it came.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.seen.lock().unwrap().taken.clone()
    }

    /// How often each Message-ID was taken.
    pub(crate) fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for letter in self.taken() {
            let id = letter
                .lines()
                .find_map(|line| line.strip_prefix("Message-ID: "))
                .unwrap();
            *ids.entry(id.to_owned()).or_default() += 1;
        }
        ids
    }

    pub(crate) fn visits(&self) -> usize {
        self.seen.lock().unwrap().visits
    }

    /// Waits until a letter is held.
    pub(crate) async fn holding(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Answers one held letter.
    pub(crate) fn let_go(&self) {
        self.held.add_permits(1);
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let does = {
            let mut seen = self.seen.lock().unwrap();
            seen.visits += 1;
            seen.plan.pop_front()
        };
        let mut stream = BufReader::new(stream);
        let greeting = match does {
            Some(Does::RefusesUs(line)) => line,
            _ => "220 sink ready",
        };
        say(&mut stream, greeting).await?;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line
                .split([' ', '\r'])
                .next()
                .unwrap_or_default()
                .to_owned();
            let answer = match (verb.as_str(), does) {
                ("EHLO", _) => "250 sink",
                ("RCPT", Some(Does::RefusesAddress(line))) => line,
                ("DATA", _) => {
                    say(&mut stream, "354 go on").await?;
                    let letter = read_letter(&mut stream).await?;
                    let answer = match does {
                        Some(Does::RefusesLetter(line)) => line,
                        Some(Does::Holds(line)) => {
                            self.arrived.add_permits(1);
                            self.held.acquire().await.unwrap().forget();
                            line
                        }
                        Some(Does::HangsUp) => return Ok(()),
                        _ => "250 taken",
                    };
                    if answer.starts_with("250") {
                        self.seen.lock().unwrap().taken.push(letter);
                    }
                    answer
                }
                ("QUIT", _) => {
                    return say(&mut stream, "221 bye").await;
                }
                _ => "250 fine",
            };
            say(&mut stream, answer).await?;
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await
}

async fn read_letter(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut letter = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(letter);
        }
        letter.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
