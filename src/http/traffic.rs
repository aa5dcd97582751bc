//! The traffic listener: reads of pictures, and the S3 interface on the same paths.

use actix_web::{HttpRequest, HttpResponse, web};

use super::pictures::Pictures;
use crate::s3::{S3Api, is_for_s3};

/// Adds everything that the traffic listener answers.
pub fn configure(routes: &mut web::ServiceConfig) {
    routes.default_service(web::to(answer));
}

async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    pictures: web::Data<Pictures>,
    s3: web::Data<S3Api>,
) -> HttpResponse {
    if is_for_s3(&request) { s3.answer(&request, payload).await } else { pictures.answer(&request).await }
}
