//! Objects of Stripe's are read again, and our side is brought to them. Each reading is numbered before it begins.

mod charge;
mod invoice;
mod subscription;

use crate::{
    Billing, Error,
    subscription::{begin, store},
};

pub(crate) use charge::charge;
pub(crate) use invoice::invoice;
pub(crate) use subscription::subscription;

/// What came of reading an object of Stripe's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// It concerns nothing of ours.
    Ignored(&'static str),
    /// It concerns a customer whom nobody knows yet.
    Waiting(String),
}

/// Numbers a reading that is about to begin.
async fn next_reading(room: &Billing) -> Result<i64, Error> {
    let mut tx = begin(room).await?;
    let reading = store::next_reading(&mut tx).await?;
    tx.commit().await?;
    Ok(reading)
}
