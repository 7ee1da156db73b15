//! Builds anew when the dashboard was: its files have other names then.

fn main() {
    println!("cargo:rerun-if-changed=../../ui/dist");
}
