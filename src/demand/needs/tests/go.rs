//! Modules of Go.

use super::*;
use crate::demand::Addresses;

#[test]
fn go_without_settings() {
    let subject = subject_of(vec![container("build", "golang:1.22", &["go", "build", "./..."])]);
    assert_eq!(short(&subject), [GO[0], GO[1], "go sum.golang.org:443"]);
    assert_eq!(find(&subject, "proxy.golang.org").endpoint.addresses, Addresses::Feed("google_goog".into()));
    assert!(find(&subject, "proxy.golang.org").setting.is_none());
    assert!(subject.notes.is_empty(), "{:?}", subject.notes);
}

#[test]
fn goproxy_lists_become_requirements() {
    for (value, want) in [
        ("https://proxy.golang.org,direct", vec![GO[0], GO[1], "go sum.golang.org:443"]),
        ("https://goproxy.cn,direct", vec!["go goproxy.cn:443!"]),
        (
            "https://goproxy.cn|https://proxy.golang.org,direct",
            vec![
                "go goproxy.cn:443!#1",
                "go goproxy.cn:443!#2",
                "go proxy.golang.org:443!#1",
                "go storage.googleapis.com:443!#2",
            ],
        ),
        (
            "https://corp.example/go,https://proxy.golang.org",
            vec![
                "go corp.example:443!",
                "go proxy.golang.org:443",
                "go storage.googleapis.com:443",
                "go sum.golang.org:443",
            ],
        ),
        ("http://athens.tools:3000", vec!["go athens.tools:3000!", "go sum.golang.org:443"]),
        ("off", vec![]),
        ("file:///mods", vec![]),
        ("https://a.example|off", vec!["go a.example:443!", "go sum.golang.org:443"]),
        ("https://a.example|direct", vec!["go *:443!?#1", "go a.example:443!#1", "go sum.golang.org:443"]),
        (
            "direct",
            vec![
                "go *:443!?",
                "go github.com:443",
                "go go.googlesource.com:443",
                "go golang.org:443",
                "go gopkg.in:443",
                "go sum.golang.org:443",
            ],
        ),
        (
            "ftp://a.example",
            vec!["go proxy.golang.org:443!?", "go storage.googleapis.com:443!?", "go sum.golang.org:443?"],
        ),
    ] {
        assert_eq!(short(&go(value)), want, "{value}");
    }
    let subject = go("https://corp.example/go");
    let setting = find(&subject, "corp.example").setting.clone().unwrap();
    assert_eq!((setting.text.as_str(), setting.source, setting.line), ("GOPROXY=https://corp.example/go", 0, 31));
    assert!(go("off").notes.iter().any(|note| note.contains("GOPROXY says `off`")));
    assert!(find(&go("ftp://a"), "proxy.golang.org").doubt.as_ref().unwrap().contains("not valid"));
}

#[test]
fn private_patterns_of_go() {
    let with = |env: &[(&str, &str)]| {
        let c = container("build", "golang", &["go", "build"]);
        subject_of(vec![env.iter().fold(c, |c, (n, v)| c.env(n, v))])
    };
    let hosts = |env: &[(&str, &str)]| short(&with(env));
    assert_eq!(
        hosts(&[("GOPRIVATE", "git.corp.example/*")]),
        ["go git.corp.example:443", GO[0], GO[1], "go sum.golang.org:443"]
    );
    // An explicit GONOPROXY takes the place of GOPRIVATE.
    let subject = with(&[("GOPRIVATE", "git.corp.example/*"), ("GONOPROXY", "other.example")]);
    assert!(
        short(&subject).contains(&"go other.example:443".to_owned())
            && !short(&subject).iter().any(|s| s.contains("git.corp"))
    );
    // Everything private: past every proxy, and no checksum database.
    assert_eq!(required(&with(&[("GOPRIVATE", "*")])), ["go *:443!?"]);
    assert!(!hosts(&[("GOPRIVATE", "*")]).iter().any(|s| s.contains("sum.")));
    assert!(with(&[("GOPRIVATE", "*.corp.example")]).notes.iter().any(|note| note.contains("`*.corp.example`")));
}

#[test]
fn the_checksum_database() {
    let sums = |env: &[(&str, &str)]| -> Vec<String> {
        let c = container("build", "golang", &["go", "build"]);
        let subject = subject_of(vec![env.iter().fold(c, |c, (n, v)| c.env(n, v))]);
        short(&subject).into_iter().filter(|s| s.contains("sum.")).collect()
    };
    assert_eq!(sums(&[]), ["go sum.golang.org:443"]);
    assert!(sums(&[("GOSUMDB", "off")]).is_empty());
    assert!(sums(&[("GONOSUMDB", "*")]).is_empty());
    assert_eq!(sums(&[("GOSUMDB", "sum.golang.google.cn")]), ["go sum.golang.google.cn:443"]);
    assert_eq!(sums(&[("GOSUMDB", "sum.golang.org https://sum.corp.example:8443/x")]), ["go sum.corp.example:8443"]);
    assert_eq!(sums(&[("GOSUMDB", "sum.corp.example+1a2b+key")]), ["go sum.corp.example:443"]);
    assert!(sums(&[("GOSUMDB", "on")]).is_empty());
    // goproxy.cn answers for the database, but only if it is asked first.
    assert!(sums(&[("GOPROXY", "https://goproxy.cn,direct")]).is_empty());
    assert_eq!(sums(&[("GOPROXY", "https://proxy.golang.org,https://goproxy.cn")]), ["go sum.golang.org:443"]);
}

#[test]
fn vendored_modules_need_no_network() {
    let subject =
        |script: &str, flags: &str| subject_of(vec![container("build", "golang", &[script]).env("GOFLAGS", flags)]);
    assert!(required(&subject("go build ./...", "-mod=vendor")).is_empty());
    assert!(required(&subject("go build -mod=vendor ./...", "")).is_empty());
    assert_eq!(required(&subject("go mod download && go build", "-mod=vendor")), GO);
    assert_eq!(required(&subject("go build -mod=mod", "-mod=vendor")), GO);
    assert_eq!(required(&subject("go install example.org/x@latest", "-mod=vendor")), GO);
    assert!(required(&subject_of(vec![container("build", "golang", &[]).env("GOFLAGS", "-mod=vendor -v")])).is_empty());
}

#[test]
fn scripts_set_variables_for_their_commands() {
    let subject = |script: &str| required(&subject_of(vec![container("build", "golang", &[script])]));
    assert_eq!(subject("GOPROXY=https://a.example go build"), ["go a.example:443!"]);
    assert_eq!(subject("export GOPROXY=https://a.example; go build"), ["go a.example:443!"]);
    assert_eq!(subject("go env -w GOPROXY=https://a.example && go build"), ["go a.example:443!"]);
    assert_eq!(subject("go build; GOPROXY=https://a.example go test ./..."), ["go a.example:443!", GO[0], GO[1]]);
    assert_eq!(
        subject("GOPROXY=$(cat proxy) go build"),
        ["go proxy.golang.org:443!?", "go storage.googleapis.com:443!?"]
    );
}
