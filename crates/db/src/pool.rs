use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgPool, postgres::PgListener};

use crate::{
    Commit, ConnectError, PoolSize, Scope, Tx, Url,
    connect::{check_server, connect_options, pool_options},
    replica::Replica,
    scope::{enter, enter_reading},
};

/// The application's pool.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    aside: PgPool,
    groups: PgPool,
    replica: Option<Replica>,
}

/// The connections apart from the pool, opened when they are first needed.
const ASIDE: u32 = 4;
/// The connections of what is written in groups: while one is handed back, the other is there for the next.
const GROUPS: u32 = 2;

impl Db {
    /// Connects as the application role.
    ///
    /// # Errors
    /// When the server is away, too old, or not in UTF-8.
    pub async fn connect(url: &Url, size: PoolSize) -> Result<Self, ConnectError> {
        let options = connect_options(url)?;
        check_server(&options).await?;
        let aside = pool_options(ASIDE).connect_lazy_with(options.clone());
        let groups = pool_options(GROUPS).connect_lazy_with(options.clone());
        let pool = pool_options(size.0)
            .connect_with(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        Ok(Self {
            pool,
            aside,
            groups,
            replica: None,
        })
    }

    /// Lets [`Db::read`] use the replica at `url`, which need not be there yet. Of the URL its place counts; the role is
    /// `app`'s, because a replica has its primary's roles.
    ///
    /// # Errors
    /// When an URL can't be read, or the primary is away.
    pub async fn with_replica(
        mut self,
        url: &Url,
        app: &Url,
        size: PoolSize,
    ) -> Result<Self, ConnectError> {
        self.replica = Some(Replica::of(&self.pool, (url, app), size).await?);
        Ok(self)
    }

    /// Opens a transaction in `scope`.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin(&self, scope: Scope) -> sqlx::Result<Tx> {
        begin(&self.pool, enter(scope, Commit::Durable)).await
    }

    /// Opens a transaction in `scope` for what is written in groups, whose commit waits for what `commit` says. Its connections are
    /// apart from the pool: the pool gives each transaction another of its connections, and a server's process that seldom
    /// writes the same has to fetch from far what one that always does has at hand.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin_group(&self, scope: Scope, commit: Commit) -> sqlx::Result<Tx> {
        begin(&self.groups, enter(scope, commit)).await
    }

    /// Begins a transaction on a connection apart from the pool: for short work that somebody waits for who may hold one of
    /// the pool's connections meanwhile, so that a pool can't wait for itself.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin_aside(&self, scope: Scope) -> sqlx::Result<Tx> {
        begin(&self.aside, enter(scope, Commit::Durable)).await
    }

    /// Opens a transaction in `scope` that only reads, and sees everything that was committed before: at the replica if there
    /// is one that has come as far, else at the primary.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn read(&self, scope: Scope) -> sqlx::Result<Tx> {
        if let Some(replica) = &self.replica {
            if let Some(tx) = replica.begin(&self.pool, scope).await {
                metrics::counter!("database_reads_total", "at" => "replica").increment(1);
                return Ok(tx);
            }
            metrics::counter!("database_reads_total", "at" => "primary").increment(1);
        }
        begin(&self.pool, enter_reading(scope)).await
    }

    /// Whether a statement gets through right now.
    ///
    /// # Errors
    /// The database's own.
    pub async fn ping(&self) -> sqlx::Result<()> {
        self.pool.acquire().await?.ping().await
    }

    /// A connection that hears what is notified on `channel`, apart from the pool.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn listen(&self, channel: &str) -> sqlx::Result<PgListener> {
        let mut listener = PgListener::connect_with(&self.aside).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Waits until every borrowed connection is back, then closes them.
    pub async fn close(&self) {
        self.pool.close().await;
        self.groups.close().await;
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
        // a listener may keep its connection for as long as the process lives
        let _ = tokio::time::timeout(Duration::from_secs(1), self.aside.close()).await;
    }

    /// Open and idle connections, for the metrics.
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }
}

/// Boxed, since what waits for a connection has 4 KiB of state, which each caller up to the request's own would carry and move.
async fn begin(pool: &PgPool, statement: AssertSqlSafe<String>) -> sqlx::Result<Tx> {
    Box::pin(pool.begin_with(statement)).await
}
