output "nats_urls" {
  description = "Addresses of NATS, without login, for the secrets."
  value       = module.nats.urls
}

output "play" {
  description = "The balancer for TCP."
  value       = module.front.tcp.dns_name
}

output "quic" {
  description = "The balancer for QUIC; null without one."
  value       = try(module.front.udp.dns_name, null)
}

output "web" {
  description = "The application load balancer; null without one."
  value       = try(module.web[0].balancer.dns_name, null)
}

output "registry" {
  description = "The registry of images."
  value       = module.registry.url
}

output "edge_config" {
  description = "The configuration of edges on instances."
  value       = try(module.edges[0].config, null)
}

output "secrets" {
  description = "The secrets whose values you put in."
  value       = module.secrets.arns
}
