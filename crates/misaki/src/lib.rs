//! misaki
