//! Any bytes, read as DTDL in each way: no panic, whatever they are.
#![no_main]

use gemelli_model::dtdl::{self, Extensions, Options, Source};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = dtdl::json::parse(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = || Source {
        name: "fuzz".into(),
        text: text.to_owned(),
    };
    for undefined_extensions in [Extensions::Always, Extensions::Never] {
        let options = Options {
            undefined_extensions,
            ..Options::default()
        };
        let _ = dtdl::parse(&[source()], &options, &mut |_| Some(vec![source()]));
    }
    let _ = dtdl::verdict::line(text);
});
