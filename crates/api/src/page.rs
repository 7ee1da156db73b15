//! What people see: the dashboard where it is in the program, else one overview page without it. Static
//! files inside the program, nothing from elsewhere.

use crate::problem::Problem;
use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// Styles that scripts set on elements are allowed; workers come from this server or from its scripts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The routes.
pub fn routes() -> Router<crate::App> {
    Router::new()
        .route("/", get(index))
        .route("/assets/{name}", get(asset))
        .route("/page", get(overview))
        .route("/page/style.css", get(style))
        .route("/page/page.js", get(script))
        .route("/page/icon.svg", get(icon))
}

/// `/`: the dashboard, or the overview page of a program that was built without it.
async fn index(headers: HeaderMap) -> Response {
    match gemelli_ui::find(gemelli_ui::INDEX) {
        Some(index) => built(&index, &headers, "no-cache"),
        None => overview().await,
    }
}

/// `/assets/{name}`: the dashboard's own files. Their names change with their content.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match gemelli_ui::find(&format!("{}{name}", gemelli_ui::HASHED)) {
        Some(file) => built(&file, &headers, "public, max-age=31536000, immutable"),
        None => Problem::new(
            "not-found",
            format!("the dashboard has no file `{name}`"),
            "load the page anew: the server was replaced by another version",
        )
        .into_response(),
    }
}

/// A file of the dashboard, compressed for whoever takes it so.
fn built(file: &gemelli_ui::File, headers: &HeaderMap, keep: &'static str) -> Response {
    let takes = headers.get_all(header::ACCEPT_ENCODING).iter();
    let gzip = takes
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().split(';').next() == Some("gzip"));
    let mut response = match gzip {
        true => file.gzip.clone().into_response(),
        false => match file.plain() {
            Ok(plain) => plain.into_response(),
            Err(fault) => {
                return Problem::new(
                    "not-found",
                    format!("a file of the dashboard is damaged in this program: {fault}"),
                    "install the program anew",
                )
                .into_response();
            }
        },
    };
    let headers = response.headers_mut();
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// `/page`: the overview without the dashboard.
async fn overview() -> Response {
    file("text/html; charset=utf-8", include_str!("page/index.html"))
}

/// `/page/style.css`
async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("page/style.css"))
}

/// `/page/page.js`
async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    )
}

/// `/page/icon.svg`
async fn icon() -> Response {
    file("image/svg+xml", include_str!("page/icon.svg"))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
