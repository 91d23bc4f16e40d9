variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "zone_id" {
  description = "The public hosted zone."
  type        = string
}

variable "records" {
  description = "Balancers by name, each with the path that a health check asks by HTTPS; empty: it only connects."
  type = map(object({
    target = object({ dns_name = string, zone_id = string })
    path   = string
  }))
}

variable "quic_records" {
  description = "Balancers for QUIC by name."
  type        = map(object({ dns_name = string, zone_id = string }))
}
