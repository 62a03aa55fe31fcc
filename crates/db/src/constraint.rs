use kernel::Fault;

/// Turns a named constraint into a typed answer: the database decides uniqueness, so there is no race.
pub trait OnConstraint<T> {
    /// Replaces a violation of the constraint `name` by `refusal`; every other error passes through `E::from`.
    fn on_constraint<E: From<sqlx::Error>>(
        self,
        name: &str,
        refusal: impl FnOnce() -> E,
    ) -> Result<T, E>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint<E: From<sqlx::Error>>(
        self,
        name: &str,
        refusal: impl FnOnce() -> E,
    ) -> Result<T, E> {
        self.map_err(
            |error| match error.as_database_error().and_then(|e| e.constraint()) {
                Some(broken) if broken == name => refusal(),
                _ => E::from(error),
            },
        )
    }
}

/// Sorts a database error into what may pass by itself and what is ours to mend.
pub fn fault(error: sqlx::Error) -> Fault {
    let unavailable = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(e) => e.code().is_some_and(|code| is_unavailable(&code)),
        _ => false,
    };
    if unavailable {
        Fault::unavailable("the database is not available", error)
    } else {
        Fault::internal("a database statement failed", error)
    }
}

/// SQLSTATE classes of a server that is gone, starting, stopping, full, or too busy (PostgreSQL appendix A).
fn is_unavailable(code: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("53")
        || matches!(
            code,
            "57P01" | "57P02" | "57P03" | "57014" | "25006" | "40001" | "40P01" | "55P03"
        )
}

/// Lets a room's error enum take a database error through [`kernel::Fault`], so that `?` works on statements.
#[macro_export]
macro_rules! from_sqlx {
    ($error:ty) => {
        impl From<::sqlx::Error> for $error {
            fn from(error: ::sqlx::Error) -> Self {
                Self::Fault($crate::fault(error))
            }
        }
    };
}
