//! Swagger UI.

use axum::Router;

use crate::support::Service;

async fn service() -> Service {
    let service = Service::start_with(|router| router.docs_ui()).await;
    let app = Router::new().nest("/outer", service.app.clone());
    service.behind(app)
}

#[tokio::test(start_paused = true)]
async fn the_page_is_there_for_everybody_and_loads_nothing_from_elsewhere() {
    let service = service().await;
    let moved = service.get("/outer/docs").anonymous().send().await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "docs/"));

    let page = service.get("/outer/docs/").anonymous().send().await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("http"), "{policy}");
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let mut files = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in html.split(attribute).skip(1) {
            let name = rest.split('"').next().unwrap().trim_start_matches("./");
            assert!(!name.contains("//"), "{name} is elsewhere");
            let file = service.get(&format!("/outer/docs/{name}")).anonymous().send().await;
            assert_eq!(file.status, 200, "{name}");
            assert!(!file.body.is_empty(), "{name}");
            files += 1;
        }
    }
    assert!(files >= 5, "{html}");
    // Scripts are in files: the policy allows none in the page.
    assert!(!html.contains("<script>"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn the_page_reads_the_document_where_it_is() {
    let service = service().await;
    let script = service.get("/outer/docs/swagger-initializer.js").send().await;
    let text = String::from_utf8(script.body.to_vec()).unwrap();
    assert!(text.contains("\"../api/v1/openapi.json\""), "{text}");
    assert!(text.contains("\"validatorUrl\": \"none\""), "{text}");
    service.get("/outer/docs/nonsense.js").send().await.problem_below("/outer", 404);
}

#[tokio::test(start_paused = true)]
async fn without_being_asked_for_it_is_not_there() {
    let service = Service::start().await;
    service.get("/docs").send().await.problem(404);
}
