variable "name" {
  description = "Prefix of all names: lower-case letters, digits and -, at most 20."
  type        = string
  default     = "grandstand"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name))
    error_message = "`name` must begin with a letter and have at most 20 lower-case letters, digits and -; load balancers allow 32 with their suffixes."
  }
}

variable "environment" {
  description = "Value of the dimension Environment of metrics."
  type        = string
  default     = "production"
}

variable "region" {
  description = "The region."
  type        = string
}

variable "cidr" {
  description = "Network of the VPC, a /16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "zones" {
  description = "Three availability zones; empty: the first three. Set them, so that a further zone of AWS moves no subnet."
  type        = list(string)
  default     = []
}

variable "package" {
  description = "The Debian package of Grandstand, as s3://bucket/key."
  type        = string
  validation {
    condition     = can(regex("^s3://[^/]+/.+\\.deb$", var.package))
    error_message = "`package` must be s3://BUCKET/KEY.deb."
  }
}

variable "image_tag" {
  description = "Tag of the image in the registry, for Fargate."
  type        = string
  default     = "0.1.0"
}

variable "terminate_tls" {
  description = "TLS ends at the network load balancer, with certificate_arn; else edges have the certificate in the secret NAME/certificate."
  type        = bool
  default     = false
}

variable "certificate_arn" {
  description = "A certificate of ACM, needed with terminate_tls."
  type        = string
  default     = ""
}

variable "quic" {
  description = "QUIC at a balancer of its own; it needs edges on instances that have their certificate."
  type        = bool
  default     = true
}

variable "web_certificate_arn" {
  description = "A certificate of ACM for an application load balancer with WAF in front of the HTTP API and /v1/ws; empty: none."
  type        = string
  default     = ""
}

variable "edges" {
  description = "Edges: on instances or fargate, how many, and limits.connections of each."
  type = object({
    on            = optional(string, "instances")
    instance_type = optional(string, "c7i.xlarge")
    min           = optional(number, 3)
    max           = optional(number, 30)
    connections   = optional(number, 100000)
  })
  default = {}
  validation {
    condition     = contains(["instances", "fargate"], var.edges.on)
    error_message = "`edges.on` must be instances or fargate."
  }
}

variable "workers" {
  description = "Workers."
  type = object({
    instance_type = optional(string, "c7i.xlarge")
    min           = optional(number, 3)
    max           = optional(number, 20)
  })
  default = {}
}

variable "nats" {
  description = "NATS servers: their Debian package as s3://bucket/key, their type, their volumes."
  type = object({
    package       = string
    instance_type = optional(string, "m7i.xlarge")
    volume_gb     = optional(number, 100)
  })
}

variable "archive" {
  description = "PostgreSQL and the archive of results."
  type        = bool
  default     = false
}

variable "dns" {
  description = "A public hosted zone and the names in it: for players over TCP, over QUIC, and for the HTTP API; null: none."
  type        = object({ zone_id = string, play = string, quic = string, web = string })
  default     = null
}

variable "email" {
  description = "Address that alarms are sent to; empty: none."
  type        = string
  default     = ""
}

variable "log_bucket" {
  description = "S3 bucket for access logs of balancers, which permits the delivery of logs; empty: none."
  type        = string
  default     = ""
}

variable "deletion_protection" {
  description = "Balancers, NATS and the database cannot be deleted."
  type        = bool
  default     = true
}
