//! How the binary is called: as a plugin of kubectl, and by a shell that completes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use std::process::Command;

use support::{Directory, run};

#[test]
fn as_a_plugin_it_speaks_as_kubectl_calls_it() {
    let directory = Directory::new();
    let link = format!("{}/kubectl-flink_remedy", directory.path());
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_flink-remedy"), &link).unwrap();
    let say = |args: &[&str]| {
        let done = Command::new(&link).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    };
    let (code, out, _) = say(&["check", "--help"]);
    assert!(code == 0 && out.contains("Usage: kubectl flink-remedy check [OPTIONS] [FILE|DIR|-]..."), "{out}");
    let (code, out, _) = say(&["--help"]);
    assert!(code == 0 && out.contains("Usage: kubectl flink-remedy <COMMAND>"), "{out}");
    let (code, _, err) = say(&["check"]);
    assert!(code == 2 && err.contains("Usage: kubectl flink-remedy check <FILE|DIR|->..."), "{err}");
    let (code, out, _) = say(&["explain", "CKP003"]);
    assert!(code == 0 && out.starts_with("CKP003 rocksdb-full-checkpoints\n"), "{out}");
    assert!(run(&["check", "--help"], "").out.contains("Usage: flink-remedy check [OPTIONS]"));
}

#[test]
fn every_shell_gets_a_script_with_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completion", shell], "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        for word in ["check", "diff", "explain", "operator-config", "fail-on"] {
            assert!(ran.out.contains(word), "{shell}: {word} is missing");
        }
    }
    assert_eq!(run(&["completion", "tcsh"], "").code, 2);
}

#[test]
fn bash_completes_by_the_script() {
    let directory = Directory::new();
    let script = directory.file("flink-remedy.bash", &run(&["completion", "bash"], "").out);
    let syntax = Command::new("bash").args(["-n", &script]).output().unwrap();
    assert!(syntax.status.success() && syntax.stderr.is_empty(), "{}", String::from_utf8_lossy(&syntax.stderr));
    // What bash does at `flink-remedy di<TAB>` and `flink-remedy check -o sa<TAB>`.
    let ask = "source \"$0\"; ask() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); \
               [[ $(complete -p flink-remedy) =~ -F\\ ([^\\ ]+) ]]; \
               \"${BASH_REMATCH[1]}\" flink-remedy \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"; }; \
               ask flink-remedy di; ask flink-remedy check -o sa";
    let done = Command::new("bash").args(["-c", ask, &script]).output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    assert_eq!((String::from_utf8_lossy(&done.stdout).as_ref(), err.as_ref()), ("diff\nsarif\n", ""));
}

#[test]
fn an_operator_that_cannot_log_says_why_all_the_same() {
    let ran = run(&["run", "--log-level", "a=b=c"], "");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with("error[log-filter]: --log-level `a=b=c` is no filter"), "{}", ran.err);
}
