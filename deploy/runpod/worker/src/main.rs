//! A worker for RunPod's serverless endpoints: takes jobs from the queue, has an engine beside it answer, hands in the results.
//!
//! To RunPod it looks like the worker of RunPod's Python SDK, to the engine like any client of OpenAI's; `work` says what a job may ask for.

mod control;
mod engine;
mod settings;
mod work;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use clap::Parser;
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use control::{Control, Error, Job};
use engine::Engine;
use settings::Settings;
use work::Shelf;

/// How long RunPod is left alone when it says that it is asked too often.
const DEBOUNCE: Duration = Duration::from_secs(5);
/// How long it is left alone after any other failure.
const PAUSE: Duration = Duration::from_secs(1);

/// What is shared by all that goes on at once.
struct Worker {
    control: Control,
    engine: Engine,
    shelf: Shelf,
    /// What is under way, and how to end it.
    board: Mutex<BTreeMap<String, CancellationToken>>,
}

impl Worker {
    fn board(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, CancellationToken>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> Vec<String> {
        self.board().keys().cloned().collect()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .init();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings::parse();
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .build()?;
    let worker = Arc::new(Worker {
        control: Control::new(http.clone(), &settings),
        engine: Engine::new(http, &settings),
        shelf: Shelf {
            model: settings.model.clone(),
            version: settings.version.clone(),
            adapters: settings.adapters.clone(),
        },
        board: Mutex::default(),
    });
    let stop = CancellationToken::new();
    let mut engine = start(&settings.engine)?;
    if let Some(address) = settings.health {
        listen(address, Arc::clone(&worker)).await?;
    }
    tokio::spawn(ping(Arc::clone(&worker), settings.ping_every()));
    let starting = Duration::from_secs(settings.start_seconds);
    let taking = async {
        timeout(starting, worker.engine.until_up())
            .await
            .context("the engine does not start")?;
        tracing::info!(model = worker.shelf.model, "the engine is up");
        tokio::spawn(heed_stops(Arc::clone(&worker)));
        take_jobs(&worker, settings.concurrency.into(), &stop).await;
        anyhow::Ok(())
    };
    tokio::pin!(taking);
    tokio::select! {
        result = &mut taking => result,
        gone = ended(engine.as_mut()) => gone,
        () = asked_to_stop() => {
            tracing::info!("no more jobs");
            stop.cancel();
            taking.await
        }
    }
}

fn start(line: &[String]) -> Result<Option<Child>> {
    let Some((program, rest)) = line.split_first() else {
        return Ok(None);
    };
    let child = Command::new(program)
        .args(rest)
        .kill_on_drop(true)
        .spawn()
        .context("the engine can't be started")?;
    Ok(Some(child))
}

/// An engine that ends takes the worker with it, so that RunPod starts both anew.
async fn ended(engine: Option<&mut Child>) -> Result<()> {
    match engine {
        Some(child) => bail!("the engine ended: {}", child.wait().await?),
        None => std::future::pending().await,
    }
}

async fn asked_to_stop() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = wait(SignalKind::terminate()) => {}
        _ = wait(SignalKind::interrupt()) => {}
    }
}

/// Takes as many jobs as there are free places, until asked to stop; then waits for those under way.
async fn take_jobs(worker: &Arc<Worker>, places: usize, stop: &CancellationToken) {
    let (free, tasks) = (Arc::new(Semaphore::new(places)), TaskTracker::new());
    while let Some(jobs) = stop.run_until_cancelled(next(worker, &free)).await {
        for job in jobs {
            let Ok(place) = Arc::clone(&free).acquire_owned().await else {
                break;
            };
            let ended = CancellationToken::new();
            worker.board().insert(job.id.clone(), ended.clone());
            let worker = Arc::clone(worker);
            tasks.spawn(async move {
                let Worker {
                    control,
                    engine,
                    shelf,
                    ..
                } = &*worker;
                let done = ended
                    .run_until_cancelled(work::work(control, engine, shelf, &job))
                    .await;
                if done.is_none() {
                    tracing::info!(job = job.id, "stopped");
                }
                worker.board().remove(&job.id);
                drop(place);
            });
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// The next jobs: none when RunPod has none for now, or can't be asked.
async fn next(worker: &Worker, free: &Semaphore) -> Vec<Job> {
    // a place has to be free before a job is taken: whoever takes one has it
    let most = match free.acquire().await {
        Ok(_place) => free.available_permits().saturating_add(1),
        Err(_) => return Vec::new(),
    };
    let is_busy = !worker.board().is_empty();
    match worker.control.take(most, is_busy).await {
        Ok(jobs) => jobs,
        Err(error) => {
            tracing::warn!(%error, "no jobs can be taken");
            sleep(pause(&error)).await;
            Vec::new()
        }
    }
}

fn pause(error: &Error) -> Duration {
    match error {
        Error::TooMany => DEBOUNCE,
        _ => PAUSE,
    }
}

/// Ends what nobody wants any more.
async fn heed_stops(worker: Arc<Worker>) {
    loop {
        match worker.control.stops().await {
            Ok(None) => return,
            Ok(Some(jobs)) if jobs.is_empty() => sleep(PAUSE).await,
            Ok(Some(jobs)) => {
                for ended in jobs
                    .iter()
                    .filter_map(|job| worker.board().get(job).cloned())
                {
                    ended.cancel();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "can't hear what is to be stopped");
                sleep(pause(&error)).await;
            }
        }
    }
}

async fn ping(worker: Arc<Worker>, every: Duration) {
    loop {
        if let Err(error) = worker.control.ping(&worker.under_way()).await {
            tracing::warn!(%error, "no sign of life could be given");
        }
        sleep(every).await;
    }
}

/// `GET /ping`: 200 once the engine answers, 204 while it starts, as RunPod's load balancer asks
/// (<https://docs.runpod.io/serverless/load-balancing/overview>).
async fn listen(address: SocketAddr, worker: Arc<Worker>) -> Result<()> {
    async fn answer(State(worker): State<Arc<Worker>>) -> StatusCode {
        if worker.engine.is_up().await {
            StatusCode::OK
        } else {
            StatusCode::NO_CONTENT
        }
    }
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .context("no place for /ping")?;
    let router = Router::new().route("/ping", get(answer)).with_state(worker);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}
