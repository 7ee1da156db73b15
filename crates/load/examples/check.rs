//! Checks a city: `check PROGRAM [neighborhoods [speed [days [kills [plant]]]]]`.

use gemelli_load::{
    check::{self, Options},
    device::Protocol,
    simulate,
    workload::Plan,
};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // A program that hands `simulate` on to this one tries devices without building the server.
    if let Some(("simulate", words)) = words
        .get(1)
        .map(|word| (word.as_str(), words.get(2..).unwrap_or_default()))
    {
        let code = simulate::run(words).map_err(|error| eprintln!("error: {error}"));
        std::process::exit(code.is_err().into());
    }
    let word = |at: usize, default: &str| words.get(at).cloned().unwrap_or_else(|| default.into());
    let folder = std::env::temp_dir().join(format!("gemelli-check-{}", std::process::id()));
    let options = Options {
        program: word(1, "target/release/gemelli").into(),
        folder: folder.clone(),
        plan: Plan {
            neighborhoods: word(2, "1").parse().unwrap_or(1),
            days: word(4, "1").parse().unwrap_or(1),
            ..Plan::default()
        },
        speed: simulate::speed(&word(3, "max")).unwrap_or(gemelli_load::device::Speed::Max),
        protocol: Protocol::V5,
        kills: word(5, "0").parse().unwrap_or(0),
        plant: word(6, "").parse().ok(),
    };
    let outcome = check::run(&options, |line| eprintln!("{line}"));
    let code = match &outcome {
        Ok(outcome) => {
            println!("{outcome}");
            i32::from(!outcome.good())
        }
        Err(error) => {
            eprintln!("error: {error}");
            2
        }
    };
    if word(7, "").is_empty() {
        let _ = std::fs::remove_dir_all(&folder);
    } else {
        eprintln!("kept {}", folder.display());
    }
    std::process::exit(code);
}
