//! Lines that are longer than what is looked at together.

use super::*;

const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn in_pieces_of(size: usize, text: &str) -> String {
    let (mut stream, mut clean) = (Redactor::default().stream(), Vec::new());
    for piece in text.as_bytes().chunks(size) {
        stream.push(piece, &mut clean);
    }
    stream.finish(&mut clean);
    String::from_utf8(clean).unwrap()
}

#[test]
fn a_secret_in_a_long_line_goes_wherever_a_window_ends() {
    // Around the place where the first window leaves things to the second, and around its end.
    for middle in [56 * 1024, 64 * 1024, 120 * 1024] {
        for start in (middle - 60..middle + 60).step_by(7) {
            let text = format!(
                "{} {TOKEN} {}\n",
                "word ".repeat(start / 5),
                "more ".repeat(20_000)
            );
            let clean = redact(&text);
            assert_eq!(clean, text.replace(TOKEN, REDACTED), "at {start}");
            assert_eq!(in_pieces_of(4099, &text), clean, "at {start}");
        }
    }
}

#[test]
fn a_secret_that_is_longer_than_a_window_goes_as_one() {
    let random = "aB3dE6gH9kLm2NoP5qRs".repeat(15_000);
    for text in [
        format!("password={random}\nnext\n"),
        format!("{{\"password\": \"{random} x\", \"y\": 1}}\nnext\n"),
        format!("a {random} b"),
    ] {
        let expected = match text.find(" x\"") {
            Some(_) => text.replace(&format!("{random} x"), REDACTED),
            None => text.replace(&random, REDACTED),
        };
        assert!(redact(&text) == expected);
        assert!(in_pieces_of(1000, &text) == expected);
    }
}

#[test]
fn a_key_block_goes_across_windows_and_pieces() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n".repeat(200);
    let block = format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----");
    let one_line = block.replace('\n', "\\n");
    for block in [block, one_line] {
        for padding in [10, 11_000, 12_000] {
            let text = format!("{} {block} after {TOKEN} x\n", "word ".repeat(padding));
            let expected = text.replace(&block, REDACTED).replace(TOKEN, REDACTED);
            assert!(redact(&text) == expected, "{padding}");
            for size in [1, 777, 65_536] {
                assert!(in_pieces_of(size, &text) == expected, "{padding} {size}");
            }
        }
    }
}

#[test]
fn redacting_a_long_line_twice_is_redacting_it_once() {
    let fillers = [
        "word ",
        "x",
        "aB3dE6gH9kLm2NoP5qRs",
        "ab/",
        "aB3dE6gH9kLm2NoP5qRs y ",
    ];
    let glued = [
        "sha256:",
        "sha512-",
        "aB3dE6gH9kLm2NoP5qRs1",
        TOKEN,
        "password=",
        "\"",
        " --token ",
        "-----BEGIN PRIVATE KEY-----",
        "://me:",
        "@",
        " ",
        "hunter2",
    ];
    let mut state = 1u32;
    let mut any = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    for case in 0..150 {
        let mut text = String::new();
        // Around the ends of windows, both before and after secrets are replaced.
        for middle in [0, 56 * 1024, 64 * 1024, 112 * 1024] {
            let filler = fillers[any(fillers.len())];
            let end = (middle + 40usize).saturating_sub(any(300));
            let missing = end.saturating_sub(text.len());
            text.push_str(&filler.repeat(missing / filler.len()));
            (0..any(9)).for_each(|_| text.push_str(glued[any(glued.len())]));
        }
        text.push_str(&"y ".repeat(any(30_000)));
        let once = redact(&text);
        assert!(redact(&once) == once, "case {case}");
        assert!(in_pieces_of(1 + any(9000), &text) == once, "case {case}");
    }
}

#[test]
fn what_is_held_back_is_bounded() {
    let (mut stream, mut clean) = (Redactor::default().stream(), Vec::new());
    let piece = "x".repeat(100_000);
    for n in 1..50 {
        stream.push(piece.as_bytes(), &mut clean);
        // A window in each of the passes.
        assert!(clean.len() + 3 * 65 * 1024 > n * piece.len());
    }
}
