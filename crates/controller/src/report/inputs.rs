//! What the report and the Events of a settled job are made of. While that stays the same they do, and need not be made again:
//! of a fleet that is looked at anew, nearly all are.

use std::hash::{DefaultHasher, Hash, Hasher};

use checklist::{OptOut, Timing};

use super::content::{Seen, is_listed};

/// Digest of everything that the report and the Events of a settled job are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inputs(u64);

impl Inputs {
    /// What this look saw; `job` is the digest of all that a look reads of the object. `None` where there is more to tell than
    /// findings: such a report is made at every look.
    pub(super) fn of(seen: Seen<'_>, job: u64) -> Option<Self> {
        // Exhaustive, so that a report that is made of more cannot be forgotten here. The report before, and what it says of
        // the past, is the one that these inputs are remembered with.
        let Seen {
            deployment: _,
            plan,
            holdings,
            obedience,
            mode,
            quiet_until: _,
            dry_run,
            refused,
            restart,
            before: _,
            chosen,
        } = seen;
        let is_settled = plan.timing == Timing::Nothing && plan.setback.is_none() && refused.is_none();
        // What is ours stands in the job, unless somebody has taken it away.
        let is_whole = holdings.removed.is_empty() && holdings.is_left_to().is_none();
        let is_obeyed = obedience.problems.is_empty() && obedience.opt_out != OptOut::All;
        if !(is_settled && is_whole && is_obeyed) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (job, mode, dry_run, restart).hash(&mut hasher);
        (&obedience.opt_out, obedience.expires, &obedience.denied).hash(&mut hasher);
        (&chosen.policy.name, chosen.decided_by, &chosen.policy.problem).hash(&mut hasher);
        (&plan.refused, &plan.only_told).hash(&mut hasher);
        for finding in &plan.findings {
            let judgement = &finding.judgement;
            (finding.rule.code, judgement.verdict, &judgement.about).hash(&mut hasher);
            if is_listed(judgement.verdict) {
                judgement.message.hash(&mut hasher);
            }
        }
        Some(Self(hasher.finish()))
    }

    pub(super) fn digest(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use checklist::policy::{Chosen, Policies};
    use checklist::{
        Evidence, HoldReason, Holdings, Mode, Obedience, Plan, Platform, Policy, Situation, Subject, Verdict, plan,
    };
    use flink_api::FlinkDeployment;
    use serde_json::json;

    use super::*;
    use crate::reconcile::verify::Standing;

    impl Inputs {
        /// Some that differ from those of another number.
        pub(crate) fn test(number: u64) -> Self {
            Self(number)
        }
    }

    /// All that a report of one job is made of.
    struct Case {
        deployment: FlinkDeployment,
        plan: Plan,
        holdings: Holdings,
        obedience: Obedience,
        chosen: Chosen,
        job: u64,
    }

    impl Case {
        fn settled() -> Self {
            let spec =
                json!({"flinkVersion": "v1_20", "flinkConfiguration": {"state.backend.type": "rocksdb"}, "job": {}});
            let deployment: FlinkDeployment =
                serde_json::from_value(json!({"metadata": {"name": "a", "namespace": "n"}, "spec": spec})).unwrap();
            let subject = Subject::new(&deployment, &Platform::stock()).unwrap();
            let (holdings, obedience) = (Holdings::default(), Obedience::default());
            let situation = Situation::of(&deployment);
            let mut plan = plan(&subject, &situation, &holdings, &obedience, &Policy::default());
            plan.timing = Timing::Nothing;
            Self { deployment, plan, holdings, obedience, chosen: Policies::default().built_in(), job: 7 }
        }

        fn seen(&self) -> Seen<'_> {
            Seen {
                deployment: &self.deployment,
                plan: &self.plan,
                holdings: &self.holdings,
                obedience: &self.obedience,
                mode: Mode::Apply,
                quiet_until: None,
                dry_run: false,
                refused: None,
                restart: Standing::Nothing,
                before: None,
                chosen: &self.chosen,
            }
        }

        fn inputs(&self) -> Option<Inputs> {
            Inputs::of(self.seen(), self.job)
        }
    }

    fn changed(change: impl FnOnce(&mut Case)) -> Option<Inputs> {
        let mut case = Case::settled();
        change(&mut case);
        case.inputs()
    }

    #[test]
    fn whatever_a_report_of_a_settled_job_tells_is_among_its_inputs() {
        let settled = changed(|_| {});
        assert!(settled.is_some() && settled == changed(|_| {}));
        let told = |case: &mut Case| {
            case.plan.findings.iter().position(|it| it.judgement.verdict >= Verdict::Implicit).unwrap()
        };
        let differing: [(&str, Option<Inputs>); 8] = [
            ("the job", changed(|case| case.job = 8)),
            (
                "a message",
                changed(|case| {
                    let at = told(case);
                    case.plan.findings[at].judgement.message.push('!');
                }),
            ),
            (
                "a verdict",
                changed(|case| {
                    let at = told(case);
                    case.plan.findings[at].judgement.verdict = Verdict::Pass;
                }),
            ),
            (
                "a rule less",
                changed(|case| {
                    case.plan.findings.pop();
                }),
            ),
            (
                "what is only told",
                changed(|case| {
                    case.plan.only_told.insert("CKP003");
                }),
            ),
            ("what is refused", changed(|case| case.plan.refused.push(("CKP001", "why".to_owned())))),
            ("an opt-out", changed(|case| case.obedience.opt_out = OptOut::Rules(["CKP001"].into()))),
            ("the policy", changed(|case| case.chosen.decided_by = "selector.kinds")),
        ];
        for (what, inputs) in differing {
            assert!(inputs.is_some() && inputs != settled, "{what}");
        }
        let case = Case::settled();
        let with = |change: fn(&mut Seen<'_>)| {
            let mut seen = case.seen();
            change(&mut seen);
            Inputs::of(seen, case.job)
        };
        let ways: [fn(&mut Seen<'_>); 3] =
            [|seen| seen.mode = Mode::Advise, |seen| seen.dry_run = true, |seen| seen.restart = Standing::Verified];
        for way in ways {
            assert!(with(way).is_some_and(|inputs| Some(inputs) != settled));
        }
        assert_eq!(with(|seen| seen.refused = Some(("Forbidden", "no"))), None);
        assert!(with(|seen| seen.restart = Standing::Failed(Evidence::JobFailed)).is_some());
    }

    #[test]
    fn what_is_not_settled_is_told_anew_at_every_look() {
        for timing in [Timing::Now, Timing::NextDeploy, Timing::Held(HoldReason::Quiet)] {
            assert_eq!(changed(|case| case.plan.timing = timing), None);
        }
        assert_eq!(changed(|case| case.obedience.opt_out = OptOut::All), None);
        let taken = "state.backend.incremental".parse().unwrap();
        assert_eq!(changed(|case| case.holdings.removed.extend([taken])), None);
    }
}
