use flink_api::{Cost, HistoryEntry};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::*;

fn key() -> Key {
    ("n".to_owned(), "a".to_owned())
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn content(mode: &str, hold: Option<(&str, i64)>) -> ReportContent {
    let hold = hold.map(|(reason, minutes)| HoldReport {
        reason: reason.to_owned(),
        message: format!("{reason} {minutes}"),
        next_retry: (reason == "HourlyBudget").then(|| now() + SignedDuration::from_mins(minutes)),
    });
    ReportContent { mode: mode.to_owned(), hold, ..ReportContent::default() }
}

fn shown(owner: &str, content: &ReportContent) -> RemediationReport {
    let owner = OwnerReference { uid: owner.to_owned(), ..OwnerReference::default() };
    let metadata = ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() };
    RemediationReport { metadata, content: content.clone() }
}

fn reports() -> Reports {
    Reports::new(std::iter::once(None))
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_no_news_until_the_watch_should_have_shown_it() {
    let (reports, told) = (reports(), content("Apply", None));
    let is_news = |content: &ReportContent| reports.is_news(&key(), "u", content, now(), Instant::now());
    assert!(is_news(&told) && !is_news(&told) && is_news(&content("Advise", None)));
    assert!(is_news(&told));
    tokio::time::advance(UNSEEN).await;
    assert!(is_news(&told));
    reports.not_written(&key());
    assert!(is_news(&told));
    reports.saw(key(), &shown("u", &told));
    tokio::time::advance(UNSEEN).await;
    assert!(!is_news(&told));
    reports.gone(&key());
    assert!(is_news(&told));
}

#[test]
fn another_jobs_report_by_the_same_name_is_news_and_says_nothing() {
    let (reports, told, instant) = (reports(), content("Apply", None), Instant::now());
    reports.saw(key(), &shown("u", &told));
    assert!(reports.remembered(&key(), "u", instant).unwrap().is_some());
    assert!(reports.remembered(&key(), "v", instant).unwrap().is_none());
    assert!(!reports.is_news(&key(), "u", &told, now(), instant));
    assert!(reports.is_news(&key(), "v", &told, now(), instant));
}

#[test]
fn the_past_comes_back_as_it_was_or_is_an_error() {
    let entry = HistoryEntry {
        change: "c".to_owned(),
        at: Some(now()),
        filled: vec!["a=b".to_owned()],
        withdrawn: vec!["c=d".to_owned()],
        cost: Cost::Restart,
        reason: Some("RestartLoop".to_owned()),
        ..HistoryEntry::default()
    };
    let told = ReportContent { history: vec![entry], ..content("Apply", None) };
    let (reports, instant) = (reports(), Instant::now());
    reports.saw(key(), &shown("u", &told));
    assert_eq!(reports.remembered(&key(), "u", instant), Ok(Some(Remembered::of(&told))));
    for broken in [Ok(Packed::broken()), Err(NotKept::because("why"))] {
        reports.lock().known.get_mut(&key()).unwrap().remembered = Some(broken);
        assert!(reports.remembered(&key(), "u", instant).is_err());
    }
}

#[test]
fn whose_turn_it_is_is_told_once_an_hour() {
    let known = |hold| content("", hold).hold.as_ref().map(KnownHold::of);
    let is_new = |last, next| is_new_hold(known(last).as_ref(), known(next).as_ref(), now());
    let budget = |minutes| Some(("HourlyBudget", minutes));
    let in_flight = Some(("InFlight", 0));
    assert!(!is_new(budget(5), budget(15)) && !is_new(budget(5), in_flight) && !is_new(budget(-59), in_flight));
    assert!(is_new(budget(-60), budget(10)) && is_new(in_flight, budget(5)) && is_new(None, in_flight));
    assert!(is_new(budget(5), None) && is_new(budget(5), Some(("Paused", 0))));
    assert!(!is_new(in_flight, in_flight) && !is_new(None, None));
}

#[test]
fn a_new_list_says_which_reports_are_gone() {
    let reports = reports();
    reports.saw(key(), &shown("u", &content("", None)));
    reports.saw(("m".to_owned(), "b".to_owned()), &shown("w", &content("", None)));
    let missing = reports.listed(&Some("n".to_owned()), &HashSet::new());
    assert_eq!(missing, Missing { gone: vec![key()], ..Missing::default() });
    let listed = HashSet::from([("m".to_owned(), "b".to_owned())]);
    assert_eq!(reports.listed(&None, &listed), Missing::default());
}

#[tokio::test(start_paused = true)]
async fn a_new_list_without_a_report_that_was_written_says_when_that_counts_no_more() {
    let (reports, told, began) = (reports(), content("Apply", None), Instant::now());
    let is_news = || reports.is_news(&key(), "u", &told, now(), Instant::now());
    assert!(is_news());
    let missing = reports.listed(&None, &HashSet::new());
    assert_eq!(missing, Missing { gone: Vec::new(), unseen: vec![(key(), began + UNSEEN)] });
    assert!(!is_news(), "the list may be older than the write");
    tokio::time::advance(UNSEEN).await;
    assert!(is_news());
    assert_eq!(reports.listed(&Some("m".to_owned()), &HashSet::new()), Missing::default());
    assert_eq!(reports.listed(&None, &HashSet::from([key()])), Missing::default());
}

#[test]
fn reports_are_on_where_they_can_be_written() {
    let scopes = ["a", "b"].map(|name| Some(name.to_owned()));
    let reports = Reports::new(scopes.iter().cloned());
    assert!(reports.on(&scopes[0]) && !reports.on(&scopes[0]));
    reports.off(&scopes[1], "why");
    assert!(reports.are_on("a") && !reports.are_on("b") && !reports.are_on("c"));
    assert!(reports.on(&scopes[1]) && reports.are_on("b"));
}

#[test]
fn what_a_look_came_to_counts_while_the_report_says_just_that() {
    let (reports, told, instant) = (reports(), content("Apply", None), Instant::now());
    let [inputs, others] = [Inputs::test(1), Inputs::test(2)];
    let stands = |uid: &str, inputs| reports.stands(&key(), uid, inputs);
    reports.made_of(&key(), "u", &told, inputs);
    assert_eq!(stands("u", inputs), None, "there is no report");
    reports.saw(key(), &shown("u", &told));
    assert_eq!(stands("u", inputs), None, "nobody knows what it was made of");
    reports.made_of(&key(), "u", &content("Advise", None), inputs);
    assert_eq!(stands("u", inputs), None, "it says something else");
    reports.made_of(&key(), "u", &told, inputs);
    assert_eq!(stands("u", inputs), Some(told.standing));
    assert_eq!((stands("u", others), stands("v", inputs)), (None, None));
    assert!(reports.is_news(&key(), "u", &content("Advise", None), now(), instant));
    assert_eq!(stands("u", inputs), None, "another one is on its way");
    reports.not_written(&key());
    assert_eq!(stands("u", inputs), Some(told.standing));
    reports.saw(key(), &shown("u", &content("Advise", None)));
    assert_eq!(stands("u", inputs), None, "somebody has changed it");
}
