variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "partition" {
  description = "Partition of the provider: aws, aws-cn, aws-us-gov."
  type        = string
  default     = "aws"
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
}

variable "zones" {
  description = "The zones of these subnets."
  type        = list(string)
}

variable "zone_id" {
  description = "Private hosted zone for the names of the servers."
  type        = string
}

variable "zone_name" {
  description = "Its name."
  type        = string
}

variable "security_group_id" {
  description = "The group of NATS."
  type        = string
}

variable "image_id" {
  description = "Image of Debian 13; empty: the newest one at the first apply."
  type        = string
  default     = ""
}

variable "architecture" {
  description = "amd64 or arm64; it must fit the type of instances and the package."
  type        = string
  default     = "amd64"
}

variable "instance_type" {
  description = "Type of instances."
  type        = string
}

variable "volume_gb" {
  description = "Size of each volume; JetStream may fill four fifths of it."
  type        = number
}

variable "volume_iops" {
  description = "Operations a second of each volume."
  type        = number
  default     = 3000
}

variable "volume_throughput" {
  description = "MiB a second of each volume."
  type        = number
  default     = 125
}

variable "package" {
  description = "The Debian package of nats-server, as s3://bucket/key."
  type        = string
}

variable "secret_arn" {
  description = "Secret with the passwords of NATS' users, as a JSON object of the variables in config/nats.conf, and NATS_ROUTE_PASSWORD."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the volumes and of the secret."
  type        = string
}

variable "deletion_protection" {
  description = "Instances cannot be ended by an API call."
  type        = bool
}

variable "alarm_topic_arns" {
  description = "Topics that hear of failed machines."
  type        = list(string)
  default     = []
}
