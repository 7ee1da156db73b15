//! A broker that we did not write, for tests.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running Mosquitto; dropping it kills it.
pub struct Mosquitto {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Mosquitto {
    /// Kills it and starts another one at the same address, which knows nothing.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(self.address).expect("it was there before");
        wait(self.address);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one on a free port, or prints that the test is skipped.
pub fn start(test: &str) -> Option<Mosquitto> {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let Some(child) = spawn(address) else {
        println!("skipped: {test}: mosquitto is not installed");
        return None;
    };
    let server = Mosquitto { child, address };
    wait(address);
    Some(server)
}

fn spawn(address: SocketAddr) -> Option<Child> {
    ["/usr/sbin/mosquitto", "mosquitto"]
        .iter()
        .find_map(|program| {
            let mut command = Command::new(program);
            command
                .args(["-p", &address.port().to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().ok()
        })
}

fn wait(address: SocketAddr) {
    let limit = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < limit, "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
