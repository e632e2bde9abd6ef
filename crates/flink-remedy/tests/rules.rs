//! `flink-remedy rules` and `flink-remedy explain` as a user runs them.

mod support;

use support::run;

#[test]
fn the_list_has_every_rule_in_every_format() {
    for format in ["table", "json", "markdown"] {
        let ran = run(&["rules", "-o", format], "");
        assert_eq!(ran.code, 0);
        for rule in checklist::RULES {
            assert!(ran.out.contains(rule.code) && ran.out.contains(rule.name), "{format}: {}", ran.out);
        }
    }
    let json = run(&["rules", "-o", "json"], "").json();
    assert_eq!(json["rules"].as_array().unwrap().len(), checklist::RULES.len());
}

#[test]
fn a_rule_is_explained_by_code_and_by_name() {
    for rule in checklist::RULES {
        for word in [rule.code, rule.name, &rule.code.to_lowercase()] {
            let ran = run(&["explain", word], "");
            assert_eq!(ran.code, 0);
            assert!(
                ran.out.starts_with(&format!("{} {}\n\n# {}", rule.code, rule.name, rule.summary())),
                "{}",
                ran.out
            );
            assert!(ran.out.contains("\n## What is filled\n"), "{}", ran.out);
        }
    }
}

#[test]
fn an_event_a_hold_and_an_error_are_explained_by_the_word_that_people_see() {
    for (word, first, contained) in [
        ("RolloutHalted", "Event RolloutHalted (Warning)", "What to do: See to the jobs"),
        ("Stateless", "Held: Stateless", "would start the job empty"),
        ("lease-lost", "lease-lost (Leader election)", "What to do: Nothing, if the other replica leads"),
        ("no-reports", "no-reports (Commands)", "flink-remedy crd | kubectl apply -f -"),
    ] {
        let ran = run(&["explain", word], "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(ran.out.starts_with(&format!("{first}\n")) && ran.out.contains(contained), "{}", ran.out);
    }
}

#[test]
fn an_unknown_rule_is_bad_usage_with_the_closest_names() {
    let ran = run(&["explain", "no-metric-reporter"], "");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("did you mean no-metrics-reporter"), "{}", ran.err);
    assert!(run(&["explain", "xyz"], "").err.contains("`flink-remedy rules` lists the rules"));
}
