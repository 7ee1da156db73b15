//! Twins and relationships: create, read, change, delete.

use crate::rig::{Folder, ROOMS, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_read() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let applied = server.apply(ROOMS).await;
    println!("{applied}");
    assert_eq!(applied["objects"][0]["result"], "created");
    let twin = server.get("/digitaltwins/office").await.expect(200);
    println!("{}", twin.body);
    let full = server.get("/v1/twins/office").await.expect(200).json();
    println!("{full}");
    assert_eq!(full["properties"]["temperature"], 18.5);
    server.stop().await;
}
