//! actix-web with one handler that has its answer ready.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use actix_web::web::{Bytes, Data, to};
use actix_web::{App, HttpResponse, HttpServer};

use crate::paired::say;

/// Serves the file for every request, until the process is killed. Says first where.
pub(crate) fn serve(body: &Path) {
    let body = Bytes::from(fs::read(body).expect("the parent has written it"));
    let workers = available_parallelism().map_or(1, usize::from);
    let served = actix_rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().app_data(Data::new(body.clone())).default_service(to(answer)))
            .workers(workers)
            .keep_alive(std::time::Duration::from_secs(75))
            .tcp_nodelay(true)
            .h1_allow_half_closed(false)
            .bind("127.0.0.1:0")?;
        for address in server.addrs() {
            say(&address.to_string());
        }
        server.run().await
    });
    served.expect("loopback can be listened on");
}

async fn answer(body: Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok().content_type("image/jpeg").body(Bytes::clone(&body))
}
