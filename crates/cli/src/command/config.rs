//! `gemelli config`: the settings in force.

use crate::{
    failure::Failure,
    output::{self, Column, Format, Sheet, cell},
    settings::{KEYS, Settings},
};
use serde_json::json;

/// Show settings and where they come from
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show the settings in force
    Show {
        /// Say where each comes from: default, file and line, variable or flag
        #[arg(long)]
        origin: bool,
    },
}

const SETTING: Column = Column {
    heading: "SETTING",
    wide: false,
    cell: |item| cell(item, "/setting"),
};
const VALUE: Column = Column {
    heading: "VALUE",
    wide: false,
    cell: |item| cell(item, "/value"),
};
const ORIGIN: Column = Column {
    heading: "ORIGIN",
    wide: false,
    cell: |item| cell(item, "/origin"),
};
const ABOUT: Column = Column {
    heading: "ABOUT",
    wide: true,
    cell: |item| cell(item, "/about"),
};

const PLAIN: Sheet = Sheet {
    kind: "setting",
    name: |item| cell(item, "/setting"),
    columns: &[SETTING, VALUE, ABOUT],
};
const WITH_ORIGIN: Sheet = Sheet {
    columns: &[SETTING, VALUE, ORIGIN, ABOUT],
    ..PLAIN
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let What::Show { origin } = args.what;
    let about = |name| {
        KEYS.iter()
            .find(|key| key.name == name)
            .map(|key| key.about)
            .unwrap_or_default()
    };
    let rows: Vec<_> = settings
        .all()
        .map(|(name, setting)| {
            json!({"setting": name, "value": setting.value, "origin": setting.origin.to_string(), "about": about(name)})
        })
        .collect();
    output::list(format, if origin { &WITH_ORIGIN } else { &PLAIN }, &rows)
}
