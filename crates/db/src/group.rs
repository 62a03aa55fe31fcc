use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kernel::Fault;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// The most that goes into one transaction.
const LARGEST: usize = 128;
/// The most that may wait to be written; whoever comes then waits to be let in.
const QUEUE: usize = 4096;
/// How long what nobody waits for gathers.
const GATHERS: Duration = Duration::from_millis(20);

/// What can be written together, in one transaction.
pub trait Batch: Send + Sync + 'static {
    type Job: Send + Sync + 'static;
    type Answer: Send + 'static;
    type Error: From<Fault> + Send + 'static;

    /// Stands in the metrics.
    const NAME: &'static str;

    /// Writes all jobs, or none with an error. The answers are in the order of the jobs.
    fn write(
        &self,
        jobs: &[Self::Job],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Error>> + Send;

    /// Whether somebody waits for a job. As long as nobody waits for any, they gather for some milliseconds.
    fn is_awaited(_: &Self::Job) -> bool {
        true
    }

    /// Whether the database is away: then it is for everybody, and nobody is to wait for another's try.
    fn is_away(error: &Self::Error) -> bool;
}

/// Group commit: what several tasks have to write at the same time goes into one transaction.
///
/// While one batch is being committed the next gathers, so a lone job waits for nobody and many share the cost. Whoever asks is
/// answered after the commit.
#[derive(Debug)]
pub struct GroupCommit<B: Batch> {
    queue: mpsc::Sender<Waiting<B>>,
    is_well: Arc<AtomicBool>,
}

impl<B: Batch> Clone for GroupCommit<B> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            is_well: Arc::clone(&self.is_well),
        }
    }
}

/// A job with its answer, or why it could not be written.
type Written<B> = Result<(<B as Batch>::Job, <B as Batch>::Answer), <B as Batch>::Error>;

struct Waiting<B: Batch> {
    job: B::Job,
    answer: oneshot::Sender<Written<B>>,
}

impl<B: Batch> GroupCommit<B> {
    /// Starts the task that writes; it ends with the last clone of what is returned.
    pub fn start(batch: B) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let is_well = Arc::new(AtomicBool::new(true));
        tokio::spawn(run(batch, jobs, Arc::clone(&is_well)));
        Self { queue, is_well }
    }

    /// Whether the database was there when something was last written.
    pub fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Relaxed)
    }

    /// Writes a job together with whatever else waits, and gives it back with its answer once that is committed.
    ///
    /// # Errors
    /// That of the batch. A job that can't be written takes no other with it.
    pub async fn write(&self, job: B::Job) -> Result<(B::Job, B::Answer), B::Error> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { job, answer };
        self.queue.send(waiting).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn run<B: Batch>(batch: B, mut queue: mpsc::Receiver<Waiting<B>>, is_well: Arc<AtomicBool>) {
    let mut waiting = Vec::with_capacity(LARGEST);
    while queue.recv_many(&mut waiting, LARGEST).await > 0 {
        gather(&mut queue, &mut waiting).await;
        let (jobs, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|one| (one.job, one.answer)).unzip();
        let written = batch.write(&jobs).await;
        let is_away = written.as_ref().is_err_and(B::is_away);
        is_well.store(!is_away, Ordering::Relaxed);
        match written {
            Ok(found) => {
                let count = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
                metrics::histogram!("group_commit_jobs", "of" => B::NAME).record(f64::from(count));
                for ((job, answer), found) in jobs.into_iter().zip(answers).zip(found) {
                    let _ = answer.send(Ok((job, found)));
                }
            }
            Err(_) if is_away => {
                for answer in answers {
                    let _ = answer.send(Err(away().into()));
                }
            }
            // one that can't be written must not take the others with it
            Err(_) if jobs.len() > 1 => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    let _ = answer.send(alone(&batch, job).await);
                }
            }
            Err(error) => {
                if let Some(answer) = answers.into_iter().next() {
                    let _ = answer.send(Err(error));
                }
            }
        }
    }
}

/// Lets more come in, as long as nobody waits for what is there.
async fn gather<B: Batch>(queue: &mut mpsc::Receiver<Waiting<B>>, waiting: &mut Vec<Waiting<B>>) {
    let until = Instant::now() + GATHERS;
    let mut seen = 0;
    while waiting.len() < LARGEST
        && waiting
            .iter()
            .skip(seen)
            .all(|one| !B::is_awaited(&one.job))
    {
        seen = waiting.len();
        let more = queue.recv_many(waiting, LARGEST - seen);
        if !timeout_at(until, more).await.is_ok_and(|came| came > 0) {
            return;
        }
    }
}

async fn alone<B: Batch>(batch: &B, job: B::Job) -> Written<B> {
    let mut found = batch.write(std::slice::from_ref(&job)).await?;
    let found = found
        .pop()
        .ok_or_else(|| Fault::broken("each job has an answer"))?;
    Ok((job, found))
}

fn gone() -> Fault {
    Fault::broken("what writes in groups lives as long as its process")
}

fn away() -> Fault {
    let why = std::io::Error::other("the database is away");
    Fault::unavailable("nothing can be written", why)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Wrong {
        Job,
        Away,
    }

    impl From<Fault> for Wrong {
        fn from(_: Fault) -> Self {
            Self::Away
        }
    }

    /// Takes even numbers, one batch for each permit, and notes what came together. Nobody waits for those below zero.
    #[derive(Clone)]
    struct Even {
        doors: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<Vec<i32>>>>,
    }

    impl Batch for Even {
        type Job = i32;
        type Answer = i32;
        type Error = Wrong;

        const NAME: &'static str = "even numbers";

        async fn write(&self, jobs: &[i32]) -> Result<Vec<i32>, Wrong> {
            if let Ok(permit) = self.doors.acquire().await {
                permit.forget();
            }
            self.batches.lock().unwrap().push(jobs.to_vec());
            if jobs.contains(&i32::MAX) {
                return Err(Wrong::Away);
            }
            if jobs.iter().any(|job| job % 2 != 0) {
                return Err(Wrong::Job);
            }
            Ok(jobs.iter().map(|job| job / 2).collect())
        }

        fn is_awaited(job: &i32) -> bool {
            *job >= 0
        }

        fn is_away(error: &Wrong) -> bool {
            *error == Wrong::Away
        }
    }

    /// Writes these jobs so that the first is under way alone and the others wait for it.
    async fn written(jobs: &[i32]) -> (Vec<Result<(i32, i32), Wrong>>, Vec<Vec<i32>>) {
        let even = Even {
            doors: Arc::new(Semaphore::new(0)),
            batches: Arc::default(),
        };
        let group = GroupCommit::start(even.clone());
        let asked = join_all(jobs.iter().map(|job| group.write(*job)));
        let (answers, ()) = tokio::join!(asked, async {
            // all of them have been sent once everybody had a turn
            tokio::task::yield_now().await;
            even.doors.add_permits(jobs.len() * 2);
        });
        let batches = even.batches.lock().unwrap().clone();
        (answers, batches)
    }

    #[tokio::test]
    async fn what_comes_while_one_is_written_is_written_together() {
        let (answers, batches) = written(&[2, 4, 6, 8]).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [(2, 1), (4, 2), (6, 3), (8, 4)]);
        assert!(batches.len() <= 2, "{batches:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_gathers_until_somebody_waits_for_more() {
        let even = Even {
            doors: Arc::new(Semaphore::new(9)),
            batches: Arc::default(),
        };
        let group = GroupCommit::start(even.clone());
        let begun = Instant::now();
        let later = async |job, millis| {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            group.write(job).await.unwrap();
            begun.elapsed()
        };
        let (first, second) = tokio::join!(later(-2, 0), later(-4, 10));
        assert_eq!((first, second), (GATHERS, GATHERS));
        let (unasked, asked) = tokio::join!(later(-6, 0), later(6, 5));
        assert_eq!(
            (unasked, asked),
            (GATHERS + Duration::from_millis(5), unasked)
        );
        assert_eq!(*even.batches.lock().unwrap(), [vec![-2, -4], vec![-6, 6]]);
    }

    #[tokio::test]
    async fn one_that_can_not_be_written_takes_no_other_with_it() {
        let (answers, _) = written(&[2, 4, 5, 8]).await;
        let good: Vec<_> = answers.iter().map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(good, [Some(&(2, 1)), Some(&(4, 2)), None, Some(&(8, 4))]);
        assert!(matches!(answers.get(2), Some(Err(Wrong::Job))));
    }

    #[tokio::test]
    async fn where_the_database_is_away_nobody_waits_for_anothers_try() {
        let (answers, batches) = written(&[i32::MAX, 4, 8, i32::MAX]).await;
        let tried: usize = batches.iter().map(Vec::len).sum();
        assert_eq!(tried, answers.len(), "each once: {batches:?}");
        assert!(matches!(answers.last(), Some(Err(Wrong::Away))));
    }

    #[tokio::test]
    async fn it_is_well_again_with_the_first_that_is_written() {
        let even = Even {
            doors: Arc::new(Semaphore::new(9)),
            batches: Arc::default(),
        };
        let group = GroupCommit::start(even);
        let mut seen = vec![group.is_well()];
        for job in [i32::MAX, 3, i32::MAX, 4] {
            let _ = group.write(job).await;
            seen.push(group.is_well());
        }
        // what is wrong with one job says nothing of the database
        assert_eq!(seen, [true, false, true, false, true]);
    }
}
