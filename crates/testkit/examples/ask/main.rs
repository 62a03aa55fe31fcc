//! The playground's request in Rust, word for word, so that what is shown to be pasted is known to compile and to run.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of somebody who has nothing of this house"
)]

mod shown {
    include!("shown.rs");

    pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
        main()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Whoever adds reqwest with its default features has a provider; in this workspace every binary names its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    shown::run()
}
