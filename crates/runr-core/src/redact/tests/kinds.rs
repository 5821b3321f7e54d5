//! One secret of each kind, in the forms in which programs print it.

use super::*;

/// Checks what is left of a text.
#[track_caller]
fn becomes(text: &str, clean: &str) {
    assert_eq!(redact(text), clean, "of {text}");
}

#[track_caller]
fn survives(text: &str) {
    becomes(text, text);
}

const R: &str = REDACTED;

#[test]
fn the_keys_of_clouds_are_secrets() {
    becomes("id AKIAIOSFODNN7EXAMPLE.", &format!("id {R}"));
    becomes("ASIAIOSFODNN7EXAMPLE", R);
    becomes(
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        &format!("aws_secret_access_key = {R}"),
    );
    becomes(
        "key=AIzaSyA1234567890abcdefghijklmnopqrstuv",
        &format!("key={R}"),
    );
    becomes(
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=bW9jay1rZXktZm9yLXRlc3Rz==;E=1",
        &format!("DefaultEndpointsProtocol=https;AccountName=x;AccountKey={R}"),
    );
    becomes("ya29.a0AfH6SMBx-1234567890abcd", R);
}

#[test]
fn the_tokens_of_forges_and_models_are_secrets() {
    for token in [
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "gho_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
        "glpat-ABCdefGHIjklMNOpqrST",
        "xoxb-123456789012-abcdefABCDEF",
        "sk-ant-api03-abcDEF1234567890abcDEF",
        "sk-proj-abcDEF1234567890abcDEF",
        "sk-abcdef1234567890abcdef",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-AgEIcHlwaS5vcmcCJDEyMzQ1",
        "sk_live_abcdefghijklmnop1234",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    ] {
        becomes(&format!("a {token} b"), &format!("a {R} b"));
        becomes(
            &format!("{{\"a\":\"x\\n{token}\\n\"}}"),
            &format!("{{\"a\":\"x\\n{R}\\n\"}}"),
        );
    }
}

#[test]
fn credentials_in_headers_are_secrets() {
    becomes(
        "> Authorization: Bearer abc.def-1",
        &format!("> Authorization: Bearer {R}"),
    );
    becomes(
        "authorization: basic dXNlcjpwYXNz",
        &format!("authorization: basic {R}"),
    );
    becomes(
        "AUTHORIZATION: token abcd",
        &format!("AUTHORIZATION: token {R}"),
    );
    becomes(
        r#"{"Authorization": "Bearer abcdefgh", "b": 1}"#,
        &format!(r#"{{"Authorization": "Bearer {R}", "b": 1}}"#),
    );
    becomes(
        r#""{\"authorization\": \"Bearer abcdefgh\"}""#,
        &format!(r#""{{\"authorization\": \"Bearer {R}\"}}""#),
    );
    becomes("Authorization: a1b2c3", &format!("Authorization: {R}"));
    becomes(
        "Authorization: Digest username=me, response=0123",
        &format!("Authorization: Digest {R}"),
    );
    becomes("X-Api-Key: a1b2c3d4", &format!("X-Api-Key: {R}"));
    becomes("sent Bearer abcdefghijklmnop1", &format!("sent Bearer {R}"));
}

#[test]
fn a_private_key_block_goes_as_a_whole() {
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        let block = format!(
            "a\n-----BEGIN {kind}PRIVATE KEY-----\nMIIEvQIBADAN\nshort=\n-----END {kind}PRIVATE KEY-----\nb\n"
        );
        becomes(&block, &format!("a\n{R}\nb\n"));
    }
    becomes(
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK-----",
        R,
    );
    becomes(
        r#"{"private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", "x": 1}"#,
        &format!(r#"{{"private_key": "{R}", "x": 1}}"#),
    );
    becomes(
        r#"{"pem": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", "x": 1}"#,
        &format!(r#"{{"pem": "{R}\n", "x": 1}}"#),
    );
    becomes(
        "PRIVATE_KEY=-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nA=1\n",
        &format!("PRIVATE_KEY={R}\nA=1\n"),
    );
}

#[test]
fn a_block_without_an_end_goes_up_to_the_end_of_its_string_or_to_a_limit() {
    becomes(
        r#"["-----BEGIN PRIVATE KEY-----\nMIIE\\\" x", "y"]"#,
        &format!(r#"["{R}\\\" x", "y"]"#),
    );
    let line = "abcdefg\n";
    let endless = format!("-----BEGIN PRIVATE KEY-----\n{}", line.repeat(10_000));
    let clean = redact(&endless);
    assert!(
        clean.starts_with(R) && clean.ends_with(line),
        "{}",
        clean.len()
    );
    assert!(clean.len() < endless.len() - 16_000 && clean.len() > 40_000);
}

#[test]
fn passwords_in_addresses_are_secrets() {
    becomes(
        "postgres://me:hunter2@db/x",
        &format!("postgres://me:{R}@db/x"),
    );
    becomes("https://me:p@ss@host/", &format!("https://me:{R}@host/"));
    becomes(
        "redis://:abcd@host:6379/0",
        &format!("redis://:{R}@host:6379/0"),
    );
    becomes(
        "https://0123456789abcdef0123@github.com/a/b",
        &format!("https://{R}@github.com/a/b"),
    );
    survives("https://example.com:8080/@scope/pkg@1.2.3");
    survives("ssh://git@github.com:22/a/b");
    survives("http://localhost:3000/a?b=c@d");
}

#[test]
fn values_given_to_secret_names_are_secrets() {
    for (text, clean) in [
        ("PASSWORD=hunter", "PASSWORD=@"),
        (
            "export DB_PASSWORD='correct horse'",
            "export DB_PASSWORD='@'",
        ),
        (r#"DB_PASSWORD="correct horse" x"#, r#"DB_PASSWORD="@" x"#),
        (
            r#"{"password": "it's \"odd\"", "a": 1}"#,
            r#"{"password": "@", "a": 1}"#,
        ),
        (r#"{\"api_key\":\"abcdef\"}"#, r#"{\"api_key\":\"@\"}"#),
        ("password: hunter2", "password: @"),
        ("  client_secret: 'x y z'", "  client_secret: '@'"),
        ("?token=abc&x=1", "?token=@"),
        (
            "tool --token abc123def --other 1",
            "tool --token @ --other 1",
        ),
        ("secret_key_base: ab12cd34", "secret_key_base: @"),
        ("api-key = \"abcdef\"", "api-key = \"@\""),
        ("\"a\\npassword=hunter\\nb\"", "\"a\\npassword=@\\nb\""),
    ] {
        becomes(text, &clean.replace('@', R));
    }
}

#[test]
fn credentials_on_command_lines_are_secrets() {
    for (text, clean) in [
        ("curl -u me:hunter https://x", "curl -u me:@ https://x"),
        (
            "curl -sS -X PUT --user 'me:correct horse' x",
            "curl -sS -X PUT --user 'me:@' x",
        ),
        ("curl --user=me:hunter x", "curl --user=me:@ x"),
        ("curl --proxy-user me:hunter x", "curl --proxy-user me:@ x"),
        (
            r#"{"command": "curl -u \"me:hunter\" https://x"}"#,
            r#"{"command": "curl -u \"me:@\" https://x"}"#,
        ),
        (
            "curl x \\\n  -u me:hunter22 \\\n",
            "curl x \\\n  -u me:@ \\\n",
        ),
        (
            "curl -H 'Authorization: Basic YTpi' x",
            "curl -H 'Authorization: Basic @' x",
        ),
        ("tool --password=hunter x", "tool --password=@ x"),
        (
            "tool --passwd correcthorse --force",
            "tool --passwd @ --force",
        ),
        (
            "tool --api-key correcthorse | cat",
            "tool --api-key @ | cat",
        ),
        (
            "tool --user me --password correcthorse",
            "tool --user me --password @",
        ),
        (
            "tool --token correct --db-secret battery --password staple\n",
            "tool --token @ --db-secret @ --password @\n",
        ),
        ("tool --password 'my horse' x", "tool --password '@' x"),
    ] {
        becomes(text, &clean.replace('@', R));
    }
    for text in [
        "docker run -u 1000:1000 -it x; docker run --user \"1000:1000\" x",
        "docker exec --user node:node x sh; git push -u origin main:release",
        "curl -u $ME:$PASSWORD x; curl -u \"me:${PASSWORD}\" x; curl -u me: x",
        "give it with --token instead; --password without a value is refused",
        "use --user and --password together\nuse --user or --password once more",
        "tool --user USER --password PASSWORD --token SESSION --api-key <KEY>",
        "--max-token 100000 --secret-file path/to/file --token-url x",
    ] {
        survives(text);
    }
}

#[test]
fn long_random_base64_is_a_secret() {
    let random = "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZkdISUpLTE1OT1A";
    becomes(&format!("x {random}== y"), &format!("x {R} y"));
    becomes(&format!("\"\\n{random}\""), &format!("\"\\n{R}\""));
    becomes(&format!("\"\\u000a{random}\""), &format!("\"\\u000a{R}\""));
}

#[test]
fn given_values_are_secrets_wherever_they_stand() {
    let redactor = Redactor::new(&["open sesame".into(), "open sesame street".into()]);
    assert_eq!(
        redactor.text("xopen sesame streetx, open sesame"),
        format!("x{R}x, {R}")
    );
}

#[test]
fn ids_sums_paths_and_words_survive() {
    for text in [
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b\nTree: 89E6C98D92887913CADF06B2ADB97F26CDE4849B",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "123e4567-e89b-12d3-a456-426614174000",
        r#""integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==","#,
        "golang.org/x/sys v0.1.0 h1:kunALQeHf1/185U1i0GOB/fy1IPRDDpuoOOqRReG57U=",
        "/home/User/Projects/MyApp2/src/components/LoginForm/useLoginForm2",
        "crates/runr-core/src/ownership/guard/tests/claiming/WhatEverCase42/mod",
        "test redact::tests::a_long_name_of_a_test_with_42_words_in_it_and_CAPITALS ... ok",
        "the token is missing; a password must be given, and the secret: nobody knows it",
        "let token = self.tokens.next()?; // token: Option<Token>",
        "fn parse(token: &str, secret: [u8; 32]) -> Secret",
        "password=$PASSWORD token=${TOKEN} secret=$(pass show x) api_key=<your key>",
        r#"{"input_tokens": 1234, "output_tokens": 99, "token": 7, "key": "value"}"#,
        "task-implement-the-login-page-with-2-fields sk-learn-version-2-is-the-best-one",
        "PWD=/home/me/work\nOLDPWD=/tmp/x\nTOKEN_FILE=/run/secrets/token",
        "if token == other { return Err(secret) } else { match key => token }",
        "password = input()",
        "password = getpass.getpass(prompt='Password: ')",
        "token: string; secret?: string | undefined, password: z.string().min(8)",
        "const token = req.headers['x-token'], secret = process.env.SECRET;",
        r#"{"head": "3f786850e387550fdab836ed7e6dc881de23001b", "base": "89e6c98d92887913cadf06b2adb97f26cde4849b"}"#,
        "session 123e4567-e89b-12d3-a456-426614174000 in /tmp/a/123e4567-e89b-12d3-a456-426614174000/token",
        "origin  https://github.com/a/b.git (fetch)\norigin  git@github.com:a/b.git (push)",
        "[REDACTED]",
    ] {
        survives(text);
    }
}

#[test]
fn a_redactor_that_is_off_changes_nothing() {
    let text = "ghp_16C7e42F292c6912E7710c838347Ae178B4a\n";
    assert_eq!(Redactor::off().text(text), text);
}
