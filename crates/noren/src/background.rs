use std::time::Duration;

use anyhow::{Result, bail};
use api::{
    Accepted, Check, FieldErrors, NoContent, Okay, PageQuery, PathId, Problem, Refusals, ValidQuery,
};
use axum::extract::State;
use billing::Billing;
use clap::Subcommand;
use db::{Ctx, Scope};
use identity::{AuditAction, Granted, Identity, Proven, RequestMeta, may};
use jobs::{
    Attempt, CatchUp, CronView, Job, JobError, JobFilter, JobId, JobState, JobView, Jobs,
    KindStatistics, Registry, Retried,
};
use kernel::{PageRequest, Text};
use ledger::Ledger;
use serde::{Deserialize, Serialize};
use settings::Settings;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admin,
    farewell::{ClearIdle, Idle},
    output::say,
    seals::{Reseal, Seals},
};

/// How far back the comparison with Stripe looks.
const RECONCILE_BACK: chrono::Duration = chrono::Duration::hours(26);

/// How long what was begun and left is kept; none: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) unconfirmed: Option<chrono::Duration>,
    pub(crate) guests: Option<chrono::Duration>,
}

/// The rooms that have work to be done later.
#[derive(Clone, Copy)]
pub(crate) struct Rooms<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) ledger: &'a Ledger,
    pub(crate) billing: &'a Billing,
    pub(crate) hooks: &'a hooks::Hooks,
    pub(crate) gateway: &'a gateway::Gateway,
    pub(crate) misaki: &'a misaki::Misaki,
}

/// The kinds of jobs and the schedules of the whole house.
pub(crate) fn open(rooms: Rooms<'_>, kept: Kept) -> Result<Jobs> {
    let Rooms {
        identity,
        ledger,
        billing,
        hooks,
        gateway,
        misaki,
    } = rooms;
    let teller = gateway::Teller {
        gateway: gateway.clone(),
        hooks: hooks.clone(),
    };
    let seals = Seals {
        identity: identity.clone(),
        hooks: hooks.clone(),
    };
    let registry = Registry::default()
        .job::<Reseal>(&seals)
        .job::<ClearIdle>(&Idle {
            identity: identity.clone(),
            billing: billing.clone(),
            unconfirmed: kept.unconfirmed,
            guests: kept.guests,
        })
        .cron(
            "house.clear_idle",
            "20 4 * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::RunOnce,
            &ClearIdle {},
        )?
        .cron(
            "house.reseal",
            "7 * * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::RunOnce,
            &Reseal {},
        )?
        .job::<gateway::TellJobsEnd>(&teller)
        .job::<gateway::RunBatch>(gateway)
        .job::<VerifyBooks>(ledger)
        .job::<ReconcileStripe>(billing)
        .cron(
            "house.verify_books",
            "30 3 * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::RunOnce,
            &VerifyBooks {},
        )?
        .cron(
            "billing.reconcile",
            "*/30 * * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::RunOnce,
            &ReconcileStripe {},
        )?;
    let registry = misaki.register(hooks.register(registry)?)?;
    Ok(Jobs::open(identity.cx.clone(), registry)?)
}

/// Recomputes the books and the audit log. What does not agree is a dead job, an error in the log and a metric, because
/// trying again mends no books.
#[derive(Debug, Serialize, Deserialize)]
struct VerifyBooks {}

impl Job for VerifyBooks {
    const NAME: &'static str = "house.verify_books";
    const LIMIT: Duration = Duration::from_mins(10);
    type Room = Ledger;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, room: &Ledger, _: &Attempt) -> Result<(), JobError> {
        let drifts = ledger::verify(&room.cx)
            .await
            .map_err(|error| JobError::Retry(error.to_string()))?;
        let breaks = identity::verify_audit(&room.cx).await?;
        let wrong = drifts.len() + breaks.len();
        metrics::gauge!("books_wrong_places")
            .set(f64::from(u32::try_from(wrong).unwrap_or(u32::MAX)));
        if wrong == 0 {
            tracing::info!("the books are right");
            return Ok(());
        }
        let first = drifts.first().map_or_else(
            || "the audit log".to_owned(),
            |drift| format!("{}: {}", drift.rule, drift.place),
        );
        tracing::error!(wrong, first, "the books don't agree; run noren verify");
        Err(JobError::Fail(format!(
            "{wrong} places don't agree, first {first}"
        )))
    }
}

/// Asks Stripe what was missed. Without a Stripe there is nothing to ask.
#[derive(Debug, Serialize, Deserialize)]
struct ReconcileStripe {}

impl Job for ReconcileStripe {
    const NAME: &'static str = "billing.reconcile";
    const LIMIT: Duration = Duration::from_mins(15);
    type Room = Billing;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, room: &Billing, _: &Attempt) -> Result<(), JobError> {
        if !room.is_open() {
            return Ok(());
        }
        billing::reconcile(room, RECONCILE_BACK)
            .await
            .map(drop)
            .map_err(|error| JobError::Retry(error.to_string()))
    }
}

/// The operator's desk for jobs.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub(crate) struct Desk {
    pub(crate) identity: Identity,
    pub(crate) jobs: Jobs,
}

/// The account listener's routes.
pub(crate) fn router() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(get_jobs))
        .routes(routes!(get_job_statistics))
        .routes(routes!(retry_job))
        .routes(routes!(cancel_job))
        .routes(routes!(get_crons))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct JobsQuery {
    /// All that are not done or cancelled unless said.
    #[param(inline)]
    state: Option<JobState>,
    /// Such as `hooks.deliver`.
    #[param(max_length = 60)]
    kind: Option<String>,
    /// Jobs a page: 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl JobsQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for JobsQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
        if let Some(kind) = &self.kind {
            errors.length(kind, "?kind", 1, 60);
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct JobPage {
    items: Vec<JobView>,
    #[schema(required)]
    next_cursor: Option<String>,
    has_more: bool,
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/admin/jobs", operation_id = "get_jobs", tag = "admin", params(JobsQuery),
    security(("session" = [])), responses((status = 200, body = JobPage), Refusals))]
async fn get_jobs(
    State(desk): State<Desk>,
    _: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<JobsQuery>,
) -> Result<Okay<JobPage>, Problem> {
    let request = query.page().request();
    let filter = JobFilter {
        state: query.state,
        kind: query.kind,
    };
    let page = jobs::list(&desk.jobs.cx, &filter, &request).await?;
    Ok(Okay(JobPage {
        has_more: page.next_cursor.is_some(),
        next_cursor: page.next_cursor,
        items: page.items,
    }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct JobStatistics {
    items: Vec<KindStatistics>,
}

/// What is in line, by kind.
#[utoipa::path(get, path = "/admin/jobs/statistics", operation_id = "get_job_statistics", tag = "admin",
    security(("session" = [])), responses((status = 200, body = JobStatistics), Refusals))]
async fn get_job_statistics(
    State(desk): State<Desk>,
    _: Granted<may::HouseOperate>,
) -> Result<Okay<JobStatistics>, Problem> {
    let items = jobs::statistics(&desk.jobs.cx).await?;
    Ok(Okay(JobStatistics { items }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct JobInLine {
    id: JobId,
}

/// Puts a dead job in line again.
#[utoipa::path(post, path = "/admin/jobs/{job}/retry", operation_id = "retry_job", tag = "admin", params(("job" = JobId, Path)),
    security(("session" = [])), responses((status = 202, body = JobInLine), Refusals))]
async fn retry_job(
    State(desk): State<Desk>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    PathId(job): PathId<JobId>,
) -> Result<Accepted<JobInLine>, Problem> {
    let cx = &desk.jobs.cx;
    let mut tx = begin(cx).await?;
    match jobs::retry(&mut tx, cx, job).await.map_err(db::fault)? {
        Retried::InLine => {}
        Retried::NotDead => return Err(Problem::not_found()),
        Retried::AnotherWaits => {
            return Err(Problem::new(
                409,
                "job_waits",
                Text::new(
                    "同じ仕事がすでに待っています。",
                    "The same work is in line already.",
                ),
            ));
        }
    }
    AuditAction::new("job.retry", job)
        .record(&mut tx, cx, &meta, caller.principal)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(Accepted(JobInLine { id: job }))
}

/// Calls a job off; the result of one that runs does not count any more.
#[utoipa::path(delete, path = "/admin/jobs/{job}", operation_id = "cancel_job", tag = "admin", params(("job" = JobId, Path)),
    security(("session" = [])), responses((status = 204), Refusals))]
async fn cancel_job(
    State(desk): State<Desk>,
    caller: Proven<may::HouseOperate>,
    meta: RequestMeta,
    PathId(job): PathId<JobId>,
) -> Result<NoContent, Problem> {
    let cx = &desk.jobs.cx;
    let mut tx = begin(cx).await?;
    if !jobs::cancel(&mut tx, cx, job).await.map_err(db::fault)? {
        return Err(Problem::not_found());
    }
    AuditAction::new("job.cancel", job)
        .record(&mut tx, cx, &meta, caller.principal)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(NoContent)
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Crons {
    items: Vec<CronView>,
}

/// The schedules.
#[utoipa::path(get, path = "/admin/crons", operation_id = "get_crons", tag = "admin",
    security(("session" = [])), responses((status = 200, body = Crons), Refusals))]
async fn get_crons(
    State(desk): State<Desk>,
    _: Granted<may::HouseOperate>,
) -> Result<Okay<Crons>, Problem> {
    let items = jobs::crons(&desk.jobs).await?;
    Ok(Okay(Crons { items }))
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Problem> {
    let tx = cx
        .db
        .begin(Scope::House("the operator's hand on a job"))
        .await;
    Ok(tx.map_err(db::fault)?)
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// The newest jobs that are not done.
    List,
    /// Jobs that were given up, and why.
    Dead,
    /// Puts a dead job in line again.
    Retry { job: JobId },
    /// What is in line, by kind.
    Statistics,
}

/// The queue alone, for the command line.
pub(crate) async fn command(settings: &Settings, command: JobsCommand) -> Result<()> {
    let cx = admin::context(settings).await?;
    match command {
        JobsCommand::List => show(&cx, None).await,
        JobsCommand::Dead => show(&cx, Some(JobState::Dead)).await,
        JobsCommand::Retry { job } => {
            let mut tx = cx
                .db
                .begin(Scope::House("the operator's hand on a job"))
                .await?;
            let retried = jobs::retry(&mut tx, &cx, job).await?;
            match retried {
                Retried::InLine => {}
                Retried::NotDead => bail!("there is no such job, or it is not dead"),
                Retried::AnotherWaits => bail!("the same work is in line already"),
            }
            let meta = RequestMeta::of_the_house("req_jobs");
            AuditAction::new("job.retry", job)
                .record_as(&mut tx, &cx, &meta, None, "operator")
                .await?;
            tx.commit().await?;
            say(&format!("{job} is in line again\n"))
        }
        JobsCommand::Statistics => {
            for one in jobs::statistics(&cx).await? {
                let oldest = one.oldest_ready_seconds.unwrap_or(0);
                say(&format!(
                    "{}  {} ready  {} running  {} dead  oldest {oldest} s\n",
                    one.kind, one.ready, one.running, one.dead
                ))?;
            }
            Ok(())
        }
    }
}

async fn show(cx: &Ctx, state: Option<JobState>) -> Result<()> {
    let filter = JobFilter { state, kind: None };
    let request = PageRequest {
        limit: 1000,
        after: None,
    };
    for job in jobs::list(cx, &filter, &request).await?.items {
        say(&format!(
            "{}  {}  {}  {}/{} tries  {}  {}\n",
            job.id,
            job.kind,
            job.state.as_str(),
            job.attempt,
            job.max_attempts,
            job.run_at.to_rfc3339(),
            job.last_error.unwrap_or_default()
        ))?;
    }
    Ok(())
}
