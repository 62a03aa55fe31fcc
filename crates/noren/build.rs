//! Embeds the built web app; without one, a page that says how to build it, so that Rust work needs no Node.

use std::{env, path::Path};

fn main() {
    let built = Path::new("../../web/dist");
    let dist = if built.join("index.html").exists() {
        "../../web/dist"
    } else {
        "assets/unbuilt"
    };
    println!("cargo:rerun-if-changed=../../web/dist");
    println!(
        "cargo:rustc-env=NOREN_WEB_INDEX={}/{dist}/index.html",
        env::var("CARGO_MANIFEST_DIR").unwrap_or_default()
    );
    memory_serve::load_directory(dist);
}
