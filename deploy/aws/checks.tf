# Combinations that cannot work.

resource "terraform_data" "combinations" {
  lifecycle {
    precondition {
      condition     = !var.terminate_tls || var.certificate_arn != ""
      error_message = "`terminate_tls` needs `certificate_arn`, a certificate of ACM."
    }
    precondition {
      condition     = local.on_instances || var.terminate_tls
      error_message = "`edges.on = \"fargate\"` needs `terminate_tls`, because a task has no files for a certificate."
    }
    precondition {
      condition     = !local.web || !var.terminate_tls
      error_message = "`web_certificate_arn` cannot be combined with `terminate_tls`: both balancers would send to edge.listen, one of them with the PROXY protocol."
    }
  }
}
