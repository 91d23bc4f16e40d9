output "target_group_arns" {
  description = "The groups in which edges register."
  value       = concat([aws_lb_target_group.tcp.arn], aws_lb_target_group.udp[*].arn)
}

output "tcp" {
  description = "Name and zone of the balancer for TCP, for alias records."
  value       = { dns_name = aws_lb.tcp.dns_name, zone_id = aws_lb.tcp.zone_id, arn_suffix = aws_lb.tcp.arn_suffix }
}

output "udp" {
  description = "The same of that for QUIC; null without one."
  value       = one([for lb in aws_lb.udp : { dns_name = lb.dns_name, zone_id = lb.zone_id, arn_suffix = lb.arn_suffix }])
}

output "tcp_target_group_suffix" {
  value = aws_lb_target_group.tcp.arn_suffix
}
