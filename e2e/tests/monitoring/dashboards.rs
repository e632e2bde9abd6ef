//! The dashboards as Grafana reads them.

use std::collections::BTreeSet;

use std::path::PathBuf;
use std::process::Command;

use e2e::artifacts::monitoring_program;
use e2e::prometheus::{MANIFESTS, dashboards, queries};

/// No field is of another type or missing, in panels and queries neither, and but for what all panels share none is unknown.
#[test]
fn the_schema_of_grafana_accepts_them() {
    let program = monitoring_program("monitors").unwrap_or_else(|error| panic!("{error:#}"));
    let file = |(name, _)| PathBuf::from(format!("{MANIFESTS}/dashboards/{name}.json"));
    let output = Command::new(program).args(dashboards().into_iter().map(file)).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_panel_has_a_query_a_place_and_a_source_that_can_be_chosen() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{name}");
        assert!(!queries(&name, &dashboard).is_empty(), "{name}");
        let text = dashboard.to_string();
        assert!(!text.contains("\"uid\":\"prometheus\""), "{name} names a data source of somebody's");
        let panels = dashboard["panels"].as_array().unwrap();
        let mut ids = BTreeSet::new();
        let mut places = BTreeSet::new();
        for panel in panels {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {panel}");
            let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            for (x, y) in (place("x")..place("x") + place("w"))
                .flat_map(|x| (place("y")..place("y") + place("h")).map(move |y| (x, y)))
            {
                assert!(x < 24 && places.insert((x, y)), "{name}: {} lies upon another", panel["title"]);
            }
            assert!(panel["type"] == "row" || panel["targets"][0]["expr"].is_string(), "{name}: {panel}");
        }
    }
    assert_eq!(uids.len(), 3);
}
