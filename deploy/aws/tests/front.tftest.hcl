# The load balancers.

mock_provider "aws" {}

variables {
  name                   = "t"
  vpc_id                 = "vpc-0"
  subnet_ids             = ["subnet-0", "subnet-1", "subnet-2"]
  security_group_id      = "sg-0"
  deregistration_delay_s = 120
  deletion_protection    = true
  log_bucket             = ""
}

run "passes_tls_on" {
  command = plan
  module {
    source = "./modules/front"
  }
  variables {
    terminate_tls = false
    quic          = true
  }
  assert {
    condition     = aws_lb_listener.tcp.protocol == "TCP" && aws_lb_listener.tcp.port == 443 && aws_lb_target_group.tcp.port == 8443
    error_message = "port 443 goes to tls.listen as it is"
  }
  assert {
    condition     = aws_lb_target_group.tcp.proxy_protocol_v2
    error_message = "edges learn the client's address by the PROXY protocol"
  }
  assert {
    condition     = aws_lb_listener.udp[0].protocol == "UDP" && aws_lb_target_group.udp[0].port == 8443 && aws_lb_target_group.udp[0].proxy_protocol_v2 != true
    error_message = "QUIC goes to quic.listen, without a PROXY protocol"
  }
  assert {
    condition     = alltrue([for group in [aws_lb_target_group.tcp, aws_lb_target_group.udp[0]] : group.health_check[0].path == "/ready" && group.health_check[0].port == "8081"])
    error_message = "health checks ask /ready at the admin port, which is 503 while an edge drains"
  }
  assert {
    condition     = alltrue([for lb in [aws_lb.tcp, aws_lb.udp[0]] : lb.enable_cross_zone_load_balancing && lb.enable_deletion_protection])
    error_message = "balancers spread over zones and are protected"
  }
}

run "ends_tls" {
  command = plan
  module {
    source = "./modules/front"
  }
  variables {
    terminate_tls   = true
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
    quic            = false
  }
  assert {
    condition     = aws_lb_listener.tcp.protocol == "TLS" && aws_lb_target_group.tcp.port == 8080 && aws_lb_target_group.tcp.proxy_protocol_v2
    error_message = "TLS ends at the balancer, and edge.listen gets the PROXY protocol"
  }
  assert {
    condition     = length(aws_lb.udp) == 0
    error_message = "no balancer for QUIC"
  }
}
