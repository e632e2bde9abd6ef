//! Configurations of memory: half of them such as people write, half such as nobody should.

use std::collections::BTreeMap;

use flink_conf::FlinkOption;
use flink_conf::options::*;

/// What a Flink process is configured with.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    /// The configuration's settings.
    pub(crate) settings: BTreeMap<String, String>,
    /// The process size in bytes that the operator writes over that of the settings.
    pub(crate) process_size: Option<u64>,
}

impl Configuration {
    /// `key=value <tab> key=value ...`, with the process size where Flink finds it.
    pub(crate) fn to_line(&self) -> String {
        let mut settings = self.settings.clone();
        for key in ["taskmanager.memory.process.size", "jobmanager.memory.process.size"] {
            if let Some(bytes) = self.process_size {
                settings.insert(key.to_owned(), format!("{bytes} bytes"));
            }
        }
        settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\t")
    }
}

/// Sizes of processes, or of Flink's memory in them.
const WHOLES: [&FlinkOption; 4] =
    [&TASKMANAGER_PROCESS_SIZE, &TASKMANAGER_FLINK_SIZE, &JOBMANAGER_PROCESS_SIZE, &JOBMANAGER_FLINK_SIZE];

/// Sizes of parts.
const PARTS: [&FlinkOption; 10] = [
    &TASKMANAGER_FRAMEWORK_HEAP,
    &TASKMANAGER_FRAMEWORK_OFF_HEAP,
    &TASKMANAGER_TASK_HEAP,
    &TASKMANAGER_TASK_OFF_HEAP,
    &TASKMANAGER_MANAGED_SIZE,
    &TASKMANAGER_METASPACE,
    &TASKMANAGER_SEGMENT_SIZE,
    &JOBMANAGER_HEAP_SIZE,
    &JOBMANAGER_OFF_HEAP_SIZE,
    &JOBMANAGER_METASPACE,
];

const BOUNDS: [&FlinkOption; 6] = [
    &TASKMANAGER_NETWORK_MIN,
    &TASKMANAGER_NETWORK_MAX,
    &TASKMANAGER_OVERHEAD_MIN,
    &TASKMANAGER_OVERHEAD_MAX,
    &JOBMANAGER_OVERHEAD_MIN,
    &JOBMANAGER_OVERHEAD_MAX,
];

const FRACTIONS: [&FlinkOption; 4] = [
    &TASKMANAGER_MANAGED_FRACTION,
    &TASKMANAGER_NETWORK_FRACTION,
    &TASKMANAGER_OVERHEAD_FRACTION,
    &JOBMANAGER_OVERHEAD_FRACTION,
];

const LEGACY_SIZES: [&FlinkOption; 2] = [&TASKMANAGER_LEGACY_HEAP_SIZE, &JOBMANAGER_LEGACY_HEAP_SIZE];

const NUMBERS: [&FlinkOption; 4] =
    [&TASKMANAGER_SLOTS, &TASKMANAGER_NETWORK_BUFFERS, &TASKMANAGER_LEGACY_HEAP_MB, &JOBMANAGER_LEGACY_HEAP_MB];

const UNITS: [(&str, u32); 12] = [
    ("", 0),
    (" b", 0),
    (" bytes", 0),
    ("k", 10),
    (" kb", 10),
    ("KiBiBytes", 10),
    ("m", 20),
    (" mb", 20),
    ("M", 20),
    (" mebibytes", 20),
    ("g", 30),
    (" GB", 30),
];

const ODD_SIZES: [&str; 22] = [
    "0",
    "1",
    "4095",
    "4096",
    "3000 bytes",
    "192m",
    "448m",
    "8k",
    "32 kb",
    "2g",
    "1 tb",
    "8388607 tb",
    "8388608 tb",
    "9223372036854775807",
    "9223372036854775808",
    "2Gi",
    "1.5g",
    "-1",
    "",
    "Infinite",
    "infinite",
    "1 gib",
];

const ODD_FRACTIONS: [&str; 22] = [
    "0",
    "-0",
    "0.0",
    "1",
    "1.0",
    "0.99999999",
    "0.9999999",
    "1.5",
    "-1",
    "-0.1",
    "1e-3",
    "1E-46",
    "1e-40",
    ".5",
    "0.",
    "0.3f",
    "0.3D",
    " 0.2 ",
    "NaN",
    "Infinity",
    "",
    "half",
];

const ODD_NUMBERS: [&str; 12] =
    ["0", "1", "-1", "+2", "3", "1000", "2147483647", "2147483648", "-2147483648", "2.0", "", "two"];

/// Exactly at a bound, where one byte decides, and what a larger run has found. Settings part at `, `.
const EDGES: [&str; 17] = [
    // nothing is left for Flink's memory, which a TaskManager takes where it needs none
    "taskmanager.memory.process.size=448m, taskmanager.memory.framework.heap.size=0, \
     taskmanager.memory.framework.off-heap.size=0, taskmanager.memory.network.min=0, taskmanager.memory.managed.size=0",
    // what is left to the network is its least, its most, and a byte beyond
    "taskmanager.memory.flink.size=1g, taskmanager.memory.task.heap.size=512m, taskmanager.memory.managed.size=192m",
    "taskmanager.memory.flink.size=1g, taskmanager.memory.task.heap.size=512m, taskmanager.memory.managed.size=201326593",
    "taskmanager.memory.flink.size=1g, taskmanager.memory.task.heap.size=512m, taskmanager.memory.network.max=256m, \
     taskmanager.memory.managed.size=0",
    "taskmanager.memory.flink.size=1g, taskmanager.memory.task.heap.size=512m, taskmanager.memory.managed.size=0, \
     taskmanager.memory.network.max=268435455",
    // what is left to the JVM is its least, its most, and a byte beyond
    "taskmanager.memory.flink.size=2g, taskmanager.memory.process.size=2496m",
    "taskmanager.memory.flink.size=2g, taskmanager.memory.process.size=2617245695",
    "taskmanager.memory.flink.size=2g, taskmanager.memory.process.size=3328m",
    "taskmanager.memory.flink.size=2g, taskmanager.memory.process.size=3489660929",
    "jobmanager.memory.flink.size=128m",
    "jobmanager.memory.flink.size=134217729",
    "jobmanager.memory.heap.size=1g, jobmanager.memory.flink.size=1g",
    "taskmanager.memory.process.size=2g, taskmanager.network.numberOfBuffers=99, taskmanager.memory.segment-size=2k",
    "taskmanager.memory.process.size=2g, taskmanager.network.numberOfBuffers=99, taskmanager.memory.segment-size=4k",
    "taskmanager.memory.process.size=9g, taskmanager.network.numberOfBuffers=1, taskmanager.memory.segment-size=1g",
    "taskmanager.memory.process.size=9g, taskmanager.network.numberOfBuffers=1, taskmanager.memory.segment-size=2g",
    // a factor between two texts that are equally near
    "jobmanager.memory.process.size=2g, jobmanager.memory.jvm-overhead.fraction=0.12706375270762488142",
];

/// The [`EDGES`].
pub(crate) fn edges() -> impl Iterator<Item = Configuration> {
    let setting = |text: &str| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap();
    EDGES
        .iter()
        .map(move |edge| Configuration { settings: edge.split(", ").map(setting).collect(), process_size: None })
}

/// An endless series of configurations that depends on its seed only.
pub(crate) struct Generator {
    state: u64,
}

impl Iterator for Generator {
    type Item = Configuration;

    fn next(&mut self) -> Option<Configuration> {
        Some(if self.chance(50) { self.plausible() } else { self.adversarial() })
    }
}

impl Generator {
    /// A series.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// `SplitMix64`.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `least` to `most`.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.random() % (most - least + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random() % 100 < percent
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.random() % of.len() as u64).unwrap()]
    }

    /// A spelling of the option, not always one that every version reads.
    fn spelling(&mut self, option: &FlinkOption) -> String {
        self.one(&option.spellings()).to_owned()
    }

    /// A size of about so many mebibytes in any unit, not always a whole number of them.
    fn size(&mut self, least_mib: u64, most_mib: u64) -> String {
        let (unit, power) = self.one(&UNITS);
        let bytes = self.between(least_mib << 20, most_mib << 20);
        format!("{}{unit}", bytes >> power)
    }

    /// What people write: one size of the whole, some parts, shares and bounds that fit together as a rule.
    fn plausible(&mut self) -> Configuration {
        let mut settings = BTreeMap::new();
        let mut process_size = None;
        for (process, flink) in
            [(&TASKMANAGER_PROCESS_SIZE, &TASKMANAGER_FLINK_SIZE), (&JOBMANAGER_PROCESS_SIZE, &JOBMANAGER_FLINK_SIZE)]
        {
            let option = if self.chance(75) { process } else { flink };
            settings.insert(self.spelling(option), self.size(1024, 65_536));
        }
        if self.chance(30) {
            process_size = Some(self.between(1 << 30, 64 << 30));
        }
        if self.chance(60) {
            settings.insert(self.spelling(&TASKMANAGER_SLOTS), self.between(1, 9).to_string());
        }
        for (option, least, most) in [
            (&TASKMANAGER_MANAGED_SIZE, 16, 1024),
            (&TASKMANAGER_TASK_OFF_HEAP, 0, 512),
            (&TASKMANAGER_FRAMEWORK_OFF_HEAP, 64, 256),
            (&TASKMANAGER_METASPACE, 64, 512),
            (&TASKMANAGER_NETWORK_MIN, 16, 256),
            (&TASKMANAGER_NETWORK_MAX, 256, 4096),
            (&TASKMANAGER_OVERHEAD_MAX, 256, 4096),
            (&JOBMANAGER_OFF_HEAP_SIZE, 64, 512),
            (&JOBMANAGER_METASPACE, 64, 512),
        ] {
            if self.chance(25) {
                settings.insert(self.spelling(option), self.size(least, most));
            }
        }
        for option in FRACTIONS {
            if self.chance(25) {
                settings.insert(self.spelling(option), format!("0.{:02}", self.between(5, 60)));
            }
        }
        Configuration { settings, process_size }
    }

    /// Tiny and huge, contradictory, out of range and unreadable, in several spellings at once.
    fn adversarial(&mut self) -> Configuration {
        let mut settings = BTreeMap::new();
        for _ in 0..self.between(1, 9) {
            let kind = self.between(0, 9);
            let (option, value) = match kind {
                0..=2 => (self.one(&WHOLES), self.odd_size(64, 8192)),
                3..=4 => (self.one(&PARTS), self.odd_size(0, 2048)),
                5 => (self.one(&BOUNDS), self.odd_size(0, 2048)),
                6..=7 => (self.one(&FRACTIONS), self.odd_fraction()),
                8 => (self.one(&LEGACY_SIZES), self.odd_size(64, 8192)),
                _ => {
                    let number = if self.chance(60) {
                        self.between(1, 5000).to_string()
                    } else {
                        self.one(&ODD_NUMBERS).to_owned()
                    };
                    (self.one(&NUMBERS), number)
                }
            };
            settings.insert(self.spelling(option), value);
        }
        let process_size = self.chance(20).then(|| self.between(0, 8 << 30));
        self.complete(&mut settings);
        Configuration { settings, process_size }
    }

    /// Sizes that add up, or nearly so: a `TaskManager` of which every part is given.
    fn complete(&mut self, settings: &mut BTreeMap<String, String>) {
        if !self.chance(25) {
            return;
        }
        let parts = [self.between(64, 1024), self.between(64, 1024), self.between(64, 512)];
        let flink = parts.iter().sum::<u64>() + 256;
        let keys = ["taskmanager.memory.task.heap.size", "taskmanager.memory.managed.size"];
        for (key, mib) in keys.into_iter().zip(parts) {
            settings.insert(key.to_owned(), format!("{mib} mb"));
        }
        if self.chance(50) {
            settings.insert("taskmanager.memory.flink.size".to_owned(), format!("{flink} mb"));
        }
        if self.chance(50) {
            let process = flink + 256 + self.between(100, 1100);
            settings.insert("taskmanager.memory.process.size".to_owned(), format!("{process} mb"));
        }
    }

    fn odd_size(&mut self, least_mib: u64, most_mib: u64) -> String {
        if self.chance(75) { self.size(least_mib, most_mib) } else { self.one(&ODD_SIZES).to_owned() }
    }

    fn odd_fraction(&mut self) -> String {
        if self.chance(50) { format!("0.{}", self.random()) } else { self.one(&ODD_FRACTIONS).to_owned() }
    }
}
