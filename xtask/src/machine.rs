//! What the end-to-end tests need from the machine, installed when it is missing.
//!
//! Programs come from Debian's packages, the gRPC stacks from PyPI and npm into `target/e2e`, in the versions
//! that `e2e/peers` pins. Whatever is there already is left alone. No service is started by an installation.

use std::fs;
use std::path::Path;

use crate::command::{program, root, run, succeeds};

/// A program, how to see that it works, and Debian's package of it.
const PROGRAMS: &[(&str, &[&str], &str)] = &[
    ("redis-server", &["--version"], "redis-server"),
    ("python3", &["-c", "import venv, ensurepip"], "python3-venv"),
    ("node", &["--version"], "nodejs"),
    ("npm", &["--version"], "npm"),
    ("openssl", &["version"], "openssl"),
    ("curl", &["--version"], "curl"),
    ("/usr/sbin/nginx", &["-v"], "nginx"),
    ("/usr/sbin/apache2", &["-v"], "apache2-bin"),
    ("chromium", &["--version"], "chromium"),
    ("etcd", &["--version"], "etcd-server"),
    ("/usr/sbin/nsd", &["-v"], "nsd"),
    ("sh", &["-c", "java -version && test -e /usr/share/java/zookeeper.jar"], "zookeeper"),
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing.
pub(crate) fn prepare() -> Result<(), String> {
    install_packages()?;
    install_python_peers()?;
    install_node_peers()
}

fn install_packages() -> Result<(), String> {
    let missing: Vec<_> =
        PROGRAMS.iter().filter(|(name, probe, _)| !succeeds(name, probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, _, package)| *package).collect();
    let by_hand = format!("the tests need these packages: {}", packages.join(" "));
    if !succeeds("apt-get", &["--version"]) {
        return Err(format!("{by_hand}; this machine has no apt-get, install them by hand"));
    }
    let _quiet = NoServices::begin();
    let elevate: &[&str] =
        if succeeds("sh", &["-c", "test $(id -u) = 0"]) { &[] } else { &["sudo", "-n"] };
    let apt = |arguments: &[&str]| {
        let words =
            [elevate, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"], arguments]
                .concat();
        retry(|| run(&mut program(words[0], &words[1..])))
    };
    apt(&["update"]).map_err(|error| format!("{by_hand}\n{error}"))?;
    let install = [&["install", "--no-install-recommends"], &packages[..]].concat();
    apt(&install).map_err(|error| format!("{by_hand}\n{error}"))
}

fn install_python_peers() -> Result<(), String> {
    let venv = root().join("target/e2e/venv");
    let wanted = root().join("e2e/peers/python/requirements.txt");
    if is_current(&wanted, &venv.join("requirements.txt")) {
        return Ok(());
    }
    let (venv_path, wanted_path) = (path(&venv)?, path(&wanted)?);
    run(&mut program("python3", &["-m", "venv", "--clear", venv_path]))?;
    let pip = format!("{venv_path}/bin/pip");
    retry(|| run(&mut program(&pip, &["install", "--quiet", "--requirement", wanted_path])))?;
    keep(&wanted, &venv.join("requirements.txt"))
}

fn install_node_peers() -> Result<(), String> {
    let node = root().join("target/e2e/node");
    let peers = root().join("e2e/peers/node");
    if is_current(&peers.join("package-lock.json"), &node.join("installed.json")) {
        return Ok(());
    }
    fs::create_dir_all(&node).map_err(|error| format!("{}: {error}", node.display()))?;
    for file in ["package.json", "package-lock.json"] {
        keep(&peers.join(file), &node.join(file))?;
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    retry(|| run(program("npm", &install).current_dir(&node)))?;
    keep(&peers.join("package-lock.json"), &node.join("installed.json"))
}

/// Whether what was asked for has been installed: the list that was installed is kept beside it.
fn is_current(wanted: &Path, installed: &Path) -> bool {
    matches!((fs::read(wanted), fs::read(installed)), (Ok(wanted), Ok(installed)) if wanted == installed)
}

fn keep(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| format!("{} -> {}: {error}", from.display(), to.display()))
}

fn path(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", path.display()))
}

/// Registries fail now and then: once more, then no more.
fn retry(mut install: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    install().or_else(|error| {
        eprintln!("{error}; once more");
        install()
    })
}

/// While this lives, Debian's packages start no services. Without the right to say so they may start; the tests
/// do not mind.
struct NoServices {
    written: bool,
}

// === impl NoServices ===

impl NoServices {
    fn begin() -> Self {
        let written = !Path::new(POLICY).exists()
            && fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok()
            && run(&mut program("chmod", &["+x", POLICY])).is_ok();
        Self { written }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.written {
            // A policy that stays behind is visible to the owner of the machine; there is nobody to tell here.
            let _ = fs::remove_file(POLICY);
        }
    }
}
