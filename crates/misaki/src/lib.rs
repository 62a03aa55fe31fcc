//! misaki

pub mod phrase;
