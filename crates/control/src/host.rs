//! Looks at the machine before traffic does: limits and kernel settings that make a gateway fail late.
//!
//! Each warning names what is wrong, what will happen, and the exact command that cures it. Reads `/proc`
//! only; changes nothing. `net.ipv4.tcp_tw_recycle` is never recommended: it broke clients behind NAT and
//! is gone since Linux 4.12.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// What the gateway is going to need of the machine.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Where it listens: address and accept backlog.
    pub listeners: Vec<(SocketAddr, u32)>,
    /// Client connections that it may have at once; `None`: not limited.
    pub connections_max: Option<usize>,
}

/// Something to look at before going into production.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// The setting: a sysctl or a resource limit.
    pub setting: &'static str,
    /// What is wrong and what follows from it.
    pub problem: String,
    /// The command that cures it.
    pub cure: String,
}

/// The settings as read; `None`: could not be read, and is not judged.
#[derive(Debug, Clone, Default)]
struct Settings {
    files_max: Option<u64>,
    port_range: Option<(u16, u16)>,
    reserved: Vec<(u16, u16)>,
    somaxconn: Option<u32>,
    tw_reuse: Option<u32>,
    syncookies: Option<u32>,
    fin_timeout: Option<u32>,
}

/// File descriptors below which a busy gateway runs out of them.
const FILES_MIN: u64 = 65_536;
/// Ports for outgoing connections below which a busy gateway runs out of them.
const PORTS_MIN: u32 = 20_000;
/// Seconds in FIN-WAIT-2 above which dead connections pile up.
const FIN_TIMEOUT_MAX: u32 = 60;

/// Checks the machine that this runs on.
pub fn check(needs: &Needs) -> Vec<Warning> {
    judge(&read(Path::new("/proc")), needs)
}

fn read(proc: &Path) -> Settings {
    let file = |name: &str| std::fs::read_to_string(proc.join(name)).ok();
    let number = |name: &str| file(name)?.trim().parse().ok();
    Settings {
        files_max: file("self/limits").and_then(|text| files_max(&text)),
        port_range: file("sys/net/ipv4/ip_local_port_range").and_then(|text| port_range(&text)),
        reserved: file("sys/net/ipv4/ip_local_reserved_ports")
            .map(|text| reserved(&text))
            .unwrap_or_default(),
        somaxconn: number("sys/net/core/somaxconn"),
        tw_reuse: number("sys/net/ipv4/tcp_tw_reuse"),
        syncookies: number("sys/net/ipv4/tcp_syncookies"),
        fin_timeout: number("sys/net/ipv4/tcp_fin_timeout"),
    }
}

fn judge(settings: &Settings, needs: &Needs) -> Vec<Warning> {
    let mut warnings = Vec::new();
    warnings.extend(files(settings, needs));
    warnings.extend(ports(settings));
    warnings.extend(stolen_ports(settings, needs));
    warnings.extend(backlog(settings, needs));
    warnings.extend(tcp(settings));
    warnings
}

fn files(settings: &Settings, needs: &Needs) -> Option<Warning> {
    // A relayed connection can need one descriptor on each side.
    let wanted = needs.connections_max.map_or(FILES_MIN, |max| (max as u64 * 2).max(1024) + 256);
    let have = settings.files_max.filter(|have| *have < wanted)?;
    Some(Warning {
        setting: "RLIMIT_NOFILE",
        problem: format!(
            "only {have} open files are allowed and {wanted} may be needed; accept and connect will fail"
        ),
        cure: format!("ulimit -n {wanted}   # systemd: LimitNOFILE={wanted}"),
    })
}

fn ports(settings: &Settings) -> Option<Warning> {
    let (low, high) = settings.port_range?;
    let count = u32::from(high).saturating_sub(u32::from(low)) + 1;
    (count < PORTS_MIN).then(|| Warning {
        setting: "net.ipv4.ip_local_port_range",
        problem: format!(
            "only {count} ports ({low}-{high}) serve outgoing connections to one node"
        ),
        cure: "sysctl -w net.ipv4.ip_local_port_range='10240 65535'".into(),
    })
}

fn stolen_ports(settings: &Settings, needs: &Needs) -> Option<Warning> {
    let (low, high) = settings.port_range?;
    let within = |port: u16, (low, high): (u16, u16)| (low..=high).contains(&port);
    let mut stolen = needs.listeners.iter().map(|(address, _)| address.port()).collect::<Vec<_>>();
    stolen.retain(|port| *port != 0 && within(*port, (low, high)));
    stolen.retain(|port| !settings.reserved.iter().any(|range| within(*port, *range)));
    stolen.sort_unstable();
    stolen.dedup();
    if stolen.is_empty() {
        return None;
    }
    let ports = list(stolen.iter().map(u16::to_string));
    let kept = settings
        .reserved
        .iter()
        .map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") });
    let all = list(kept.chain(stolen.iter().map(u16::to_string)));
    Some(Warning {
        setting: "net.ipv4.ip_local_reserved_ports",
        problem: format!(
            "an outgoing connection may take port {ports}, which is in the local range {low}-{high}; \
             the listener could then not be opened"
        ),
        cure: format!("sysctl -w net.ipv4.ip_local_reserved_ports={all}"),
    })
}

fn backlog(settings: &Settings, needs: &Needs) -> Option<Warning> {
    let wanted = needs.listeners.iter().map(|(_, backlog)| *backlog).max()?;
    let have = settings.somaxconn.filter(|have| *have < wanted)?;
    Some(Warning {
        setting: "net.core.somaxconn",
        problem: format!(
            "the kernel cuts the backlog of {wanted} to {have}; bursts of connections are refused"
        ),
        cure: format!("sysctl -w net.core.somaxconn={wanted}"),
    })
}

fn tcp(settings: &Settings) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if settings.tw_reuse == Some(0) {
        warnings.push(Warning {
            setting: "net.ipv4.tcp_tw_reuse",
            problem: "ports in TIME-WAIT are not reused for outgoing connections; they can run out"
                .into(),
            cure: "sysctl -w net.ipv4.tcp_tw_reuse=1".into(),
        });
    }
    if settings.syncookies == Some(0) {
        warnings.push(Warning {
            setting: "net.ipv4.tcp_syncookies",
            problem: "a flood of SYN packets can fill the queue and lock callers out".into(),
            cure: "sysctl -w net.ipv4.tcp_syncookies=1".into(),
        });
    }
    if let Some(seconds) = settings.fin_timeout.filter(|seconds| *seconds > FIN_TIMEOUT_MAX) {
        warnings.push(Warning {
            setting: "net.ipv4.tcp_fin_timeout",
            problem: format!("half-closed connections are kept for {seconds} s"),
            cure: "sysctl -w net.ipv4.tcp_fin_timeout=30".into(),
        });
    }
    warnings
}

fn files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_whitespace().map(str::parse);
    Some((words.next()?.ok()?, words.next()?.ok()?))
}

/// `8091,9000-9010`, or nothing.
fn reserved(text: &str) -> Vec<(u16, u16)> {
    let range = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some((low.parse().ok()?, high.parse().ok()?))
    };
    text.trim().split(',').filter_map(range).collect()
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

// === impl Warning ===

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    cure: {}", self.setting, self.problem, self.cure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_as_it_should_be_gives_no_warning() {
        assert_eq!(judge(&good(), &needs()), []);
        // Nothing could be read: nothing is claimed.
        assert_eq!(judge(&Settings::default(), &needs()), []);
    }

    #[test]
    fn each_setting_that_will_hurt_has_a_warning_with_its_cure() {
        let bad = Settings {
            files_max: Some(1024),
            port_range: Some((32768, 40000)),
            reserved: vec![(33000, 33010), (9, 9)],
            somaxconn: Some(128),
            tw_reuse: Some(0),
            syncookies: Some(0),
            fin_timeout: Some(120),
        };
        let needs = Needs {
            listeners: [33005, 35001, 35001, 8091, 0]
                .map(|port| (([0, 0, 0, 0], port).into(), 4096))
                .to_vec(),
            connections_max: None,
        };
        let cures =
            judge(&bad, &needs).into_iter().map(|w| (w.setting, w.cure)).collect::<Vec<_>>();
        let expected = [
            ("RLIMIT_NOFILE", "ulimit -n 65536   # systemd: LimitNOFILE=65536"),
            (
                "net.ipv4.ip_local_port_range",
                "sysctl -w net.ipv4.ip_local_port_range='10240 65535'",
            ),
            (
                "net.ipv4.ip_local_reserved_ports",
                "sysctl -w net.ipv4.ip_local_reserved_ports=33000-33010,9,35001",
            ),
            ("net.core.somaxconn", "sysctl -w net.core.somaxconn=4096"),
            ("net.ipv4.tcp_tw_reuse", "sysctl -w net.ipv4.tcp_tw_reuse=1"),
            ("net.ipv4.tcp_syncookies", "sysctl -w net.ipv4.tcp_syncookies=1"),
            ("net.ipv4.tcp_fin_timeout", "sysctl -w net.ipv4.tcp_fin_timeout=30"),
        ];
        assert_eq!(cures, expected.map(|(setting, cure)| (setting, cure.to_owned())));
    }

    #[test]
    fn a_limit_of_connections_says_how_many_files_are_enough() {
        let settings = Settings { files_max: Some(20_256), ..good() };
        let needs = |max| Needs { connections_max: Some(max), ..needs() };
        assert_eq!(judge(&settings, &needs(10_000)), []);
        assert_eq!(judge(&settings, &needs(10_001)).len(), 1);
    }

    #[test]
    fn the_files_of_the_kernel_are_understood() {
        assert_eq!(files_max("Limit x\nMax open files            1024  4096  files\n"), Some(1024));
        assert_eq!(files_max("Max open files  unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(port_range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(reserved("8091,9000-9010\n"), [(8091, 8091), (9000, 9010)]);
        assert_eq!(reserved("\n"), []);
    }

    fn good() -> Settings {
        Settings {
            files_max: Some(1_000_000),
            port_range: Some((10240, 65535)),
            reserved: vec![(8000, 50100)],
            somaxconn: Some(4096),
            tw_reuse: Some(2),
            syncookies: Some(1),
            fin_timeout: Some(60),
        }
    }

    fn needs() -> Needs {
        Needs { listeners: vec![(([0, 0, 0, 0], 50051).into(), 4096)], connections_max: None }
    }
}
