//! What happens to single requests between an operator and the API server.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use e2e::proxy::{Hook, RequestInfo, hook};
use e2e::{Operator, Verdict};
use fastrand::Rng;
use hyper::StatusCode;

/// Which fault prevails for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Weather {
    /// None at all.
    Calm,
    /// Some of everything.
    Mixed,
    TooManyRequests,
    ServerErrors,
    Conflicts,
    Drops,
    Slow,
    HalfOpen,
}

/// The storms that a schedule chooses from.
pub(crate) const STORMS: [Weather; 7] = [
    Weather::Mixed,
    Weather::TooManyRequests,
    Weather::ServerErrors,
    Weather::Conflicts,
    Weather::Drops,
    Weather::Slow,
    Weather::HalfOpen,
];
/// The share of requests that a storm hits.
const STORM: f64 = 0.6;
/// The share that is hit by anything at any time.
const USUAL: f64 = 0.15;
/// Longer than the operator waits for the answer to a write (10 s).
const NEVER: Duration = Duration::from_secs(11);
/// Longest wait for a slow answer, in milliseconds.
const SLOW: u64 = 1500;

/// Counts every fault, by its kind.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub(crate) fn count(&self, kind: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts().values().sum()
    }
}

/// The weather over all operators, and what it has done.
#[derive(Debug)]
pub(crate) struct Sky {
    seed: u64,
    weather: Mutex<Weather>,
    pub(crate) tally: Tally,
}

/// The process behind a proxy; the newest one, if it was started again.
pub(crate) type Present = Arc<Mutex<Option<Arc<Operator>>>>;

/// Whom a proxy serves.
#[derive(Clone, Debug)]
pub(crate) struct Victim {
    pub(crate) name: &'static str,
    pub(crate) process: Present,
    /// The share of its writes at which it is killed while there is a storm.
    pub(crate) kills: f64,
    /// Whether its lease is renewed whatever the weather.
    pub(crate) keeps_lease: bool,
}

/// What is done to one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Pass,
    KilledBefore,
    KilledAfter,
    Answered(u16),
    DroppedBefore,
    DroppedAfter,
    Slow(u64),
    Never,
}

impl Fate {
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Pass => return None,
            Self::KilledBefore => "operator killed before a write arrives",
            Self::KilledAfter => "operator killed after a write has landed",
            Self::Answered(409) => "answered 409",
            Self::Answered(429) => "answered 429",
            Self::Answered(500) => "answered 500",
            Self::Answered(_) => "answered 503",
            Self::DroppedBefore => "connection ended before the request arrives",
            Self::DroppedAfter => "connection ended after the request was carried out",
            Self::Slow(_) => "answered late",
            Self::Never => "not answered on an open connection",
        })
    }
}

impl Sky {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, weather: Mutex::new(Weather::Calm), tally: Tally::default() }
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges the requests of one operator. What becomes of the third try to patch a certain job depends on the seed and
    /// the weather alone, in whatever order requests arrive.
    pub(crate) fn hook(self: &Arc<Self>, victim: Victim) -> Hook {
        let (sky, tries) = (Arc::clone(self), Arc::new(Mutex::new(HashMap::<String, u32>::new())));
        hook(move |request: Arc<RequestInfo>| {
            let (sky, victim) = (Arc::clone(&sky), victim.clone());
            let identity = format!("{} {} {}", victim.name, request.method, request.path);
            let nth = {
                let mut tries = tries.lock().unwrap_or_else(PoisonError::into_inner);
                let nth = tries.entry(identity.clone()).or_default();
                *nth += 1;
                *nth
            };
            let fate = fate(sky.seed, &identity, nth, sky.weather(), &request, &victim);
            async move { sky.carry_out(fate, victim.process).await }
        })
    }

    async fn carry_out(&self, fate: Fate, process: Present) -> Verdict {
        fate.name().into_iter().for_each(|kind| self.tally.count(kind));
        let kill = move || {
            let process = process.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(process) = process {
                process.kill9();
            }
        };
        match fate {
            Fate::Pass => Verdict::Forward,
            Fate::KilledBefore => {
                kill();
                Verdict::Drop
            }
            Fate::KilledAfter => Verdict::ForwardThenRun(Box::new(move |_| kill())),
            Fate::Answered(code) => refusal(code),
            Fate::DroppedBefore => Verdict::Drop,
            Fate::DroppedAfter => Verdict::ForwardThenDropConnection,
            Fate::Slow(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Verdict::Forward
            }
            Fate::Never => {
                tokio::time::sleep(NEVER).await;
                Verdict::Drop
            }
        }
    }
}

fn refusal(code: u16) -> Verdict {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        500 => "InternalError",
        _ => "ServiceUnavailable",
    };
    Verdict::refuse(StatusCode::from_u16(code).expect("a status"), reason, "made up by the test")
}

fn fate(seed: u64, identity: &str, nth: u32, weather: Weather, request: &RequestInfo, victim: &Victim) -> Fate {
    if weather == Weather::Calm || (victim.keeps_lease && request.resource == "leases") {
        return Fate::Pass;
    }
    let mut hasher = DefaultHasher::new();
    (seed, identity, nth, weather).hash(&mut hasher);
    let mut rng = Rng::with_seed(hasher.finish());
    let is_patch = request.is_mutating() && request.resource != "leases";
    if is_patch && rng.f64() < victim.kills {
        return if rng.bool() { Fate::KilledBefore } else { Fate::KilledAfter };
    }
    // Only a write can be in conflict.
    let conflict = if request.is_mutating() { Fate::Answered(409) } else { Fate::Answered(500) };
    let prevailing = match weather {
        Weather::Calm | Weather::Mixed => None,
        Weather::TooManyRequests => Some(Fate::Answered(429)),
        Weather::ServerErrors => Some(Fate::Answered(500)),
        Weather::Conflicts => Some(conflict),
        Weather::Drops => Some(if rng.bool() { Fate::DroppedBefore } else { Fate::DroppedAfter }),
        Weather::Slow => Some(Fate::Slow(rng.u64(50..SLOW))),
        Weather::HalfOpen => Some(Fate::Never),
    };
    match prevailing {
        Some(fate) if rng.f64() < STORM => return fate,
        _ => {}
    }
    let share = if prevailing.is_none() { STORM } else { USUAL };
    if rng.f64() >= share {
        return Fate::Pass;
    }
    match rng.u8(..16) {
        0..4 => Fate::Answered(429),
        4..7 => Fate::Answered(500),
        7 => Fate::Answered(503),
        8..10 => conflict,
        10..12 => Fate::DroppedBefore,
        12..14 => Fate::DroppedAfter,
        14 => Fate::Slow(rng.u64(50..SLOW)),
        _ => Fate::Never,
    }
}
