//! Asking the program to stop: SIGINT, SIGTERM, Ctrl-C.

/// Waits until the program is asked to stop.
pub async fn asked_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    #[cfg(not(unix))]
    let _ = interrupted.await;
    #[cfg(unix)]
    std::future::pending::<()>().await;
}
